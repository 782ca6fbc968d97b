"""The last searches of each member, which only they see."""

from django.db import models, transaction
from django.utils import timezone

from .member import Member

MAX_STORED = 5  # of a member
MAX_TEXT_LENGTH = 200  # characters


class RecentSearchQuerySet(models.QuerySet["RecentSearch"]):
    def record(self, member: Member, text: str) -> None:
        """Store it as the newest. Older ones than the last `MAX_STORED` are deleted."""
        text = " ".join(text.replace("\0", "").split())[:MAX_TEXT_LENGTH].strip()
        if not text:
            return
        with transaction.atomic():
            self.update_or_create(member=member, text=text, defaults={"at": timezone.now()})
            last = self.of(member).values_list("pk", flat=True)[:MAX_STORED]
            self.filter(member=member).exclude(pk__in=list(last)).delete()

    def of(self, member: Member) -> "RecentSearchQuerySet":
        """Newest first."""
        return self.filter(member=member).order_by("-at", "-pk")


class RecentSearch(models.Model):
    member = models.ForeignKey(Member, models.CASCADE, related_name="recent_searches")
    text = models.CharField(max_length=MAX_TEXT_LENGTH)
    at = models.DateTimeField(default=timezone.now)

    objects = RecentSearchQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["member", "text"], name="recentsearch_member_text_uniq")
        ]

    def __str__(self) -> str:
        return self.text

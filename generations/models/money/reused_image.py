"""Images that were used instead of generating them again: what "already made" has saved."""

from django.db import models
from django.db.models import Count, Sum
from django.utils import timezone

from generations.models.member import Member
from generations.models.team import Team

from .month import Month
from .price import current_upstream


class ReusedImageQuerySet(models.QuerySet["ReusedImage"]):
    def record(self, member: Member, picture: int, amount_e4: int) -> None:
        """Record one use. The same image counts once a day for each person."""
        day = timezone.now().astimezone(Team.objects.current().zone).date()
        self.get_or_create(
            upstream=current_upstream(),
            day=day,
            member=member,
            picture=picture,
            defaults={"amount_e4": amount_e4},
        )

    def total(self, month: Month, person: Member | None = None) -> tuple[int, int]:
        """Return the number of uses in a month, and what these images would have cost."""
        days = month.days
        rows = self.filter(upstream=current_upstream(), day__range=(days[0], days[-1]))
        if person is not None:
            rows = rows.filter(member=person)
        sums = rows.aggregate(count=Count("pk"), amount=Sum("amount_e4"))
        return sums["count"], sums["amount"] or 0


class ReusedImage(models.Model):
    """One press on a similar image in the studio, at the price of one image at that time."""

    upstream = models.CharField(max_length=20)
    day = models.DateField()  # in the team's time zone
    member = models.ForeignKey(
        Member, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    picture = models.BigIntegerField()  # a plain key: the image may be deleted
    amount_e4 = models.BigIntegerField()

    objects = ReusedImageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "day", "member", "picture"], name="reusedimage_once_a_day_uniq"
            )
        ]

    def __str__(self) -> str:
        return f"image {self.picture}, {self.day}"

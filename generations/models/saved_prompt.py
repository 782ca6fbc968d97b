"""The prompt library: prompts that people save for themselves or for the team."""

from typing import Any, Self

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member
from .search_text import normalize


class SavedPromptQuerySet(models.QuerySet["SavedPrompt"]):
    def visible_to(self, member: Member) -> Self:
        """The member's own prompts, and those of the team."""
        if not member.is_active:
            return self.none()
        return self.filter(Q(owner=member) | Q(is_shared=True))

    def containing(self, query: str) -> Self:
        """Prompts with all words of the query, or parts of words, in any order."""
        words = normalize(query)[: SavedPrompt.MAX_SEARCH_WORDS]
        return self.filter(*(Q(search_text__contains=word) for word in words))

    def text_of(self, member: Member, pk: int | None) -> str:
        """The text of a prompt that the member may see; "" without one."""
        prompt = self.visible_to(member).filter(pk=pk).first() if pk else None
        return prompt.text if prompt else ""

    def most_used_first(self) -> Self:
        return self.order_by("-uses", "-pk")

    def put(self, owner: Member, text: str, *, is_shared: bool) -> tuple["SavedPrompt", bool]:
        """Save a prompt; or return the owner's one with the same text, and False.

        A prompt that is saved again for the team becomes one of the team.
        """
        existing = self.filter(owner=owner, text=text).first()
        if existing is None:
            return self.create(owner=owner, text=text, is_shared=is_shared), True
        if is_shared and not existing.is_shared:
            existing.is_shared = True
            existing.save(update_fields=["is_shared"])
        return existing, False

    def hand_over(self, owner: Member, to: Member) -> None:
        """Make `to` the owner of the team's prompts of `owner`; own ones stay private."""
        self.filter(owner=owner, is_shared=True).update(owner=to)


class SavedPrompt(models.Model):
    MAX_PER_OWNER = 1000
    MAX_SEARCH_WORDS = 10

    owner = models.ForeignKey(Member, models.CASCADE, related_name="saved_prompts")
    text = models.TextField()
    search_text = models.TextField(editable=False, help_text=_("The text, normalized for search."))
    is_shared = models.BooleanField(default=False, help_text=_("Everyone in the team sees it."))
    uses = models.PositiveIntegerField(default=0, help_text=_("How often it was inserted."))
    created_at = models.DateTimeField(default=timezone.now)

    objects = SavedPromptQuerySet.as_manager()

    class Meta:
        verbose_name = _("saved prompt")
        indexes = [
            models.Index(
                fields=["-uses"], name="savedprompt_shared_idx", condition=Q(is_shared=True)
            )
        ]

    def __str__(self) -> str:
        return f"saved prompt {self.pk}"

    def save(self, *args: Any, **options: Any) -> None:
        if self._state.adding:
            self.search_text = " ".join(normalize(self.text))
        super().save(*args, **options)

    def count_use(self) -> None:
        SavedPrompt.objects.filter(pk=self.pk).update(uses=F("uses") + 1)

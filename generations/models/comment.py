"""Comments on images, and the people that they mention."""

import re
from collections.abc import Iterable
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.db.models.functions import Lower
from django.utils import timezone

from .audit_entry import AuditAction, AuditEntry
from .member import Member
from .notification import Notification, shared_topic
from .picture import Picture

MAX_MENTIONS = 20  # people of one comment
# User names have letters, digits and @.+-_; an address such as a@b.example mentions nobody.
MENTION = re.compile(r"(?<![\w@.+-])@([\w@.+-]+)")


def mentioned_names(text: str) -> list[str]:
    """The user names that a text may mention, in lower case: "@lan." is `lan.` or `lan`."""
    names: dict[str, None] = {}
    for match in MENTION.finditer(text):
        name = match[1].lower()
        names |= dict.fromkeys((name, name.rstrip("@.+-")))
    return [name for name in names if name][: 2 * MAX_MENTIONS]


class CommentQuerySet(models.QuerySet["Comment"]):
    def visible_to(self, member: Member) -> "CommentQuerySet":
        """Those on images that this member may see."""
        pictures = Picture.objects.visible_to(member).filter(pk=OuterRef("picture"))
        return self.filter(Exists(pictures))

    def write(self, picture: Picture, author: Member, text: str) -> "Comment":
        """Add a comment, and notify those whom it concerns.

        These are the mentioned people, the owner of the image and earlier commenters, as far as
        they may see the image.
        """
        with transaction.atomic():
            comment = self.create(picture=picture, author=author, text=text)
            comment.store_mentions()
            comment.notify_readers()
        return comment

    def notify_shared(self, generations: Iterable[int], by: Member) -> None:
        """Notify the people whom comments mention on images that are no longer private."""
        mentions = self.model.mentions.through._default_manager.filter(
            comment__picture__generation__in=generations, member__is_active=True
        ).exclude(member=by)
        columns = ("member", "comment__picture", "comment__picture__generation")
        Notification.objects.store(
            {
                (member, generation): Notification(
                    member_id=member,
                    kind=Notification.Kind.SHARED,
                    topic=shared_topic(generation),
                    picture_id=picture,
                    generation_id=generation,
                    by=by,
                )
                for member, picture, generation in mentions.order_by("pk").values_list(*columns)
            }.values()
        )


class Comment(models.Model):
    """A short text on one image, visible to all who may see the image."""

    MAX_CHARACTERS = 500

    picture = models.ForeignKey(Picture, models.CASCADE, related_name="comments", db_index=False)
    author = models.ForeignKey(Member, models.PROTECT, related_name="comments")
    text = models.CharField(max_length=MAX_CHARACTERS)
    created_at = models.DateTimeField(default=timezone.now)
    edited_at = models.DateTimeField(null=True)
    mentions = models.ManyToManyField(Member, related_name="+")

    objects = CommentQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["picture", "id"], name="comment_picture_idx")]

    def __str__(self) -> str:
        """Without its text: it may be about a private image."""
        return f"comment {self.pk} on image {self.picture_id}"

    @property
    def owner_id(self) -> int | None:
        return self.author_id

    def edit(self, text: str) -> None:
        """Replace the text. People who are mentioned only now are notified."""
        with transaction.atomic():
            self.text, self.edited_at = text, timezone.now()
            self.save(update_fields=["text", "edited_at"])
            before = set(self.mentions.values_list("pk", flat=True))
            self.store_mentions()
            self._notify_mentioned(except_for=before)

    def remove(self, by: Member) -> None:
        """Delete it. A comment of somebody else is recorded in the audit log, without its text."""
        with transaction.atomic():
            if by.pk != self.author_id:
                AuditEntry.objects.record(
                    AuditAction.COMMENT_DELETED,
                    by,
                    on=self.author,
                    after={"image_ids": str(self.picture_id)},
                )
            self.delete()

    def store_mentions(self) -> None:
        names = mentioned_names(self.text)
        members = Member.objects.filter(is_active=True).alias(lower=Lower("username"))
        found = members.filter(lower__in=names).order_by("pk")[:MAX_MENTIONS] if names else []
        self.mentions.set(found)

    def notify_readers(self) -> None:
        """Notify the mentioned people, the owner of the image and earlier commenters."""
        mentioned = self._notify_mentioned()
        earlier = Comment.objects.filter(picture=self.picture_id).values("author")
        concerned = Member.objects.filter(
            models.Q(pk__in=earlier) | models.Q(pk=self.picture.generation.owner_id)
        )
        others = self._who_may_see(concerned) - mentioned
        topic = f"p{self.picture_id}"
        self._notify(others, Notification.Kind.COMMENTED, topic=topic)

    def _notify_mentioned(self, except_for: Iterable[int] = ()) -> set[int]:
        """Return the keys of the mentioned people who may see the image."""
        mentioned = self._who_may_see(self.mentions.all())
        self._notify(mentioned - set(except_for), Notification.Kind.MENTIONED)
        return mentioned

    def _who_may_see(self, members: models.QuerySet[Member]) -> set[int]:
        """Those of these members, without the author, to whom the image is visible."""
        row = self.picture.generation
        active = members.filter(is_active=True).exclude(pk=self.author_id)
        if row.is_private:
            active = active.filter(pk=row.owner_id)
        return set(active.values_list("pk", flat=True))

    def _notify(self, members: set[int], kind: str, **columns: Any) -> None:
        Notification.objects.store(
            Notification(
                member_id=pk,
                kind=kind,
                comment=self,
                picture_id=self.picture_id,
                generation_id=self.picture.generation_id,
                by=self.author,
                **columns,
            )
            for pk in sorted(members)
        )

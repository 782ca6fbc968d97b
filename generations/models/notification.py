"""Notifications of a member about generations, images, collections, comments and their account.

Rows are written in the transaction of the event, by the code that changes the state. Their text is
made from the object when it is shown, so that a row never shows what its reader may not see now.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .member import Member
from .status import Status
from .transition import TransitionReason

DAYS = 30  # until a notification is deleted
MAX_PER_MEMBER = 500  # older ones are deleted daily

# Of which the owner of a generation is notified, unless they caused it themselves.
NOTIFIED_STATUSES = frozenset(
    {Status.SUCCEEDED, Status.FAILED, Status.UNCONFIRMED, Status.ABANDONED, Status.CANCELED}
)
# The same for annotations: the generation is lost.
NOTIFIED_REASONS = frozenset(
    {
        TransitionReason.NO_IMAGES,
        TransitionReason.NO_LONGER_FOUND,
        TransitionReason.WATCH_EXPIRED,
    }
)
# Decisions of an admin about the generation of somebody else.
DECISIONS = frozenset(
    {
        TransitionReason.SENT_AGAIN,
        TransitionReason.DISMISSED,
        TransitionReason.CANCELED,
        TransitionReason.TASK_ID_ENTERED,
        TransitionReason.RECHECKED,
        TransitionReason.FETCHED_AGAIN,
    }
)


class NotificationQuerySet(models.QuerySet["Notification"]):
    def unread_of(self, member: Member) -> "NotificationQuerySet":
        return self.filter(member=member, read_at=None)

    def mark_read(self) -> int:
        """Return how many were unread."""
        return self.filter(read_at=None).update(read_at=timezone.now())

    # --- events ----------------------------------------------------------------------------------

    def store(self, rows: Iterable["Notification"]) -> None:
        """Insert rows; one with the topic of an earlier one replaces it, and is unread again.

        One statement, on both databases.
        """
        new = list(rows)
        if new:
            self.bulk_create(
                new,
                update_conflicts=True,
                unique_fields=["member", "topic"],
                update_fields=REPLACED_COLUMNS,
            )

    def record_transition(
        self,
        rows: Sequence[tuple[int, int, int | None]],
        to_status: str,
        reason: TransitionReason,
        by: Member | None,
    ) -> None:
        """Notify the owners of generations of a change.

        `rows` are the keys of a generation, its owner and its batch. One notification for each
        generation, whatever its number of images, and one for all of a batch: the latest change
        replaces the one before. Decisions of others are told one by one. Owners are not notified
        of what they do themselves.
        """
        by_id = by.pk if by else None
        is_decision = by is not None and reason in DECISIONS
        if not (is_decision or to_status in NOTIFIED_STATUSES or reason in NOTIFIED_REASONS):
            return
        kind = Notification.Kind.DECIDED if is_decision else Notification.Kind.GENERATION
        details = {"reason": reason.value} if is_decision else {}
        # By topic: a statement may change each row once only.
        new: dict[tuple[int, str], Notification] = {}
        for pk, owner, batch in rows:
            if owner != by_id:
                topic = generation_topic(pk)
                if batch and not is_decision:
                    topic = batch_topic(batch)
                new[owner, topic] = Notification(
                    member_id=owner,
                    kind=kind,
                    topic=topic,
                    generation_id=pk,
                    by=by,
                    details=details,
                )
        self.store(new.values())

    def record_collected(
        self, collection: int, owner: int, pictures: Sequence[tuple[int, int]], by: Member
    ) -> None:
        """Notify the creator of a collection that `by` has added images that they may see.

        `pictures` are pairs of the keys of an image and its generation. Further images of the same
        person count into the same notification until it is read.
        """
        topic, now = f"c{collection}.{by.pk}", timezone.now()
        picture, generation = pictures[-1]
        columns: dict[str, Any] = {
            "at": now, "picture_id": picture, "generation_id": generation,
        }  # fmt: skip
        unread = self.filter(member=owner, topic=topic, read_at=None)
        if unread.update(count=F("count") + len(pictures), **columns):
            return
        self.store(
            [
                Notification(
                    member_id=owner,
                    kind=Notification.Kind.COLLECTED,
                    topic=topic,
                    collection_id=collection,
                    by=by,
                    count=len(pictures),
                    **columns,
                )
            ]
        )

    def record_request(self, request: int, person: Member) -> None:
        """Notify the admins that a person asks for more; `request` is a key."""
        self._ask_admins(person, f"r{request}", limit_request_id=request)

    def record_check(self, generation: int, person: Member) -> None:
        """Notify the admins that a person asks to check an unconfirmed generation."""
        self._ask_admins(person, check_topic(generation), generation_id=generation)

    def _ask_admins(self, person: Member, topic: str, **about: int) -> None:
        asked = Notification.Kind.ASKED
        self.store(
            Notification(member=admin, kind=asked, topic=topic, by=person, **about)
            for admin in Member.objects.admins()
            if admin.pk != person.pk
        )

    def delete_checks(self, generations: Iterable[int]) -> None:
        """Delete the requests to check these generations: they are no longer unconfirmed."""
        self.filter(generation__in=generations, kind=Notification.Kind.ASKED).delete()

    def record_decision(self, request: int, person: int, by: Member) -> None:
        """Notify a person that their request for more was decided.

        Nothing is left for the admins to decide, so theirs are deleted.
        """
        topic = f"r{request}"
        self.filter(limit_request=request).delete()
        if person != by.pk:
            decided = Notification(
                member_id=person,
                kind=Notification.Kind.LIMIT_DECIDED,
                topic=topic,
                limit_request_id=request,
                by=by,
            )
            self.store([decided])

    def record_role(self, member: Member, by: Member | None) -> None:
        """Notify a person of their new role."""
        role = Notification.Kind.ROLE
        row = Notification(
            member=member, kind=role, topic="role", by=by, details={"role": member.role}
        )
        self.store([row])

    def record_handed_over(self, to: Member, of: Member, by: Member | None) -> None:
        """Notify a person that the work of somebody else is theirs now."""
        row = Notification(
            member=to,
            kind=Notification.Kind.HANDED_OVER,
            topic=f"h{of.pk}",
            by=by,
            details={"name": of.name},
        )
        self.store([row])

    # --- deletion --------------------------------------------------------------------------------

    def delete_hidden(self, generations: Iterable[int]) -> None:
        """Delete the notifications of others about generations that are private now.

        Requests to check one stay: they show nothing of it.
        """
        about = self.filter(generation__in=generations).exclude(kind=Notification.Kind.ASKED)
        about.exclude(generation__owner=F("member")).delete()

    def prune(self) -> None:
        """Delete old ones, and all but the newest of each member."""
        oldest = timezone.now() - timedelta(days=DAYS)
        for member in Member.objects.order_by("pk").values_list("pk", flat=True):
            own = self.filter(member=member)
            beyond = own.order_by("-at").values_list("at", flat=True)[MAX_PER_MEMBER:][:1]
            own.filter(at__lte=max([oldest, *beyond])).delete()


def generation_topic(pk: int) -> str:
    """The topic of notifications about the state of a generation."""
    return f"g{pk}"


def batch_topic(pk: int) -> str:
    """The topic of the one notification about the generations of a batch."""
    return f"b{pk}"


def check_topic(pk: int) -> str:
    """The topic of the request to check a generation."""
    return f"k{pk}"


def shared_topic(pk: int) -> str:
    """The topic of notifications that a generation is no longer private."""
    return f"s{pk}"


class Notification(models.Model):
    """One event, for one member.

    A row replaces the one with the same `topic`, so that a generation that was unconfirmed and then
    succeeded has one row. Without a topic a row is never replaced.
    """

    class Kind(models.TextChoices):
        GENERATION = "generation", _("State of a generation")
        DECIDED = "decided", _("Decision about a generation")
        COLLECTED = "collected", _("Images added to a collection")
        SHARED = "shared", _("Image shared")
        COMMENTED = "commented", _("Comment")
        MENTIONED = "mentioned", _("Mention")
        ASKED = "asked", _("Request for more")
        LIMIT_DECIDED = "limit-decided", _("Decision about a request for more")
        ROLE = "role", _("New role")
        HANDED_OVER = "handed-over", _("Work handed over")

    member = models.ForeignKey(Member, models.CASCADE, related_name="notifications", db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)
    topic = models.CharField(max_length=40, null=True)  # noqa: DJ001  NULL repeats in an index
    at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+", db_index=False)
    count = models.PositiveIntegerField(default=1, help_text=_("Images."))
    generation = models.ForeignKey(
        "Generation", models.CASCADE, null=True, related_name="+", db_index=False
    )
    picture = models.ForeignKey(
        "Picture", models.CASCADE, null=True, related_name="+", db_index=False
    )
    collection = models.ForeignKey(
        "Collection", models.CASCADE, null=True, related_name="+", db_index=False
    )
    comment = models.ForeignKey(
        "Comment", models.CASCADE, null=True, related_name="+", db_index=False
    )
    limit_request = models.ForeignKey(
        "LimitRequest", models.CASCADE, null=True, related_name="+", db_index=False
    )
    details = models.JSONField(default=dict)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["member", "topic"], name="notification_member_topic_uniq"
            )
        ]
        indexes = [
            models.Index(
                "member", F("at").desc(), F("id").desc(), name="notification_member_at_idx"
            ),
            models.Index(
                fields=["member"], name="notification_unread_idx", condition=Q(read_at__isnull=True)
            ),
            # For the deletion of what a row is about.
            *(
                models.Index(
                    fields=[name],
                    name=f"notification_{name}_idx",
                    condition=Q((f"{name}__isnull", False)),
                )
                for name in ("generation", "picture", "collection", "comment", "limit_request")
            ),
        ]

    def __str__(self) -> str:
        return f"notification {self.pk} of {self.member_id}: {self.kind}"


REPLACED_COLUMNS = [
    field.attname
    for field in Notification._meta.concrete_fields
    if field.name not in ("id", "member", "topic")
]

"""Pictures: the finished images of generations, with their files, previews and trash."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any, NamedTuple

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Q, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.permissions import Action, Scope, scope_of

from . import team_settings
from .audit_entry import AuditAction, AuditEntry
from .favourite import Favourite
from .file_names import random_file_name
from .member import Member
from .process import is_dead, this_process
from .tag import PictureTag, Tag

NOT_STORED = ~Q(state="stored") & ~Q(state="deleted")
MAX_RECORDED_IDS = 100  # in one entry of the audit log


def _generation_visible_to(member: Member) -> Q:
    if not member.is_active:
        return Q(pk__in=())
    return Q(generation__is_private=False) | Q(generation__owner=member)


def _numbers(pictures: "list[Picture]") -> dict[str, Any]:
    """What the audit log says about deleted pictures: how many, and which, without their names."""
    ids = ", ".join(str(picture.pk) for picture in pictures[:MAX_RECORDED_IDS])
    return {"images": len(pictures), "image_ids": ids}


class PictureQuerySet(models.QuerySet["Picture"]):
    def available(self) -> "PictureQuerySet":
        """Stored and not in the trash."""
        return self.filter(state=Picture.State.STORED, trashed_at=None)

    def visible_to(self, member: Member) -> "PictureQuerySet":
        """Available pictures of the generations that are visible to this member."""
        return self.available().filter(_generation_visible_to(member))

    def with_favourites_of(self, member: Member) -> "PictureQuerySet":
        """Annotate `is_favourite` for this member."""
        favourites = Favourite.objects.filter(member=member, picture=models.OuterRef("pk"))
        return self.annotate(is_favourite=models.Exists(favourites))

    def changeable_by(self, member: Member) -> "PictureQuerySet":
        """Pictures this member may trash or restore: their own, or any visible one for admins.

        `Coalesce` hides the owner from SQLite, which without statistics would begin with all of the
        member's generations instead of the pictures in the trash.
        """
        changeable = self.filter(_generation_visible_to(member), state=Picture.State.STORED)
        if scope_of(member, Action.CHANGE) is None:
            return self.none()
        if scope_of(member, Action.CHANGE) == Scope.ALL:
            return changeable
        return changeable.alias(owner=Coalesce("generation__owner", 0)).filter(owner=member.pk)

    def in_trash(self, member: Member) -> "PictureQuerySet":
        """Trashed pictures this member can restore. Admins have no time limit."""
        trashed = self.changeable_by(member).filter(trashed_at__isnull=False)
        if scope_of(member, Action.CHANGE) == Scope.ALL:
            return trashed
        days = team_settings.current().trash_days
        return trashed.filter(trashed_at__gt=timezone.now() - timedelta(days=days))

    def trash(self, by: Member) -> list[int]:
        """Move to the trash. Return the keys of the pictures that changed."""
        pictures = self.changeable_by(by).filter(trashed_at=None)
        return self._set_trashed(pictures, trashed_at=timezone.now(), trashed_by=by)

    def restore(self, by: Member) -> list[int]:
        """Take out of the trash. Return the keys of the pictures that changed."""
        now = timezone.now()
        return self._set_trashed(
            self.in_trash(by), trashed_at=None, trashed_by=None, restored_at=now
        )

    @staticmethod
    def _set_trashed(pictures: "PictureQuerySet", **changes: Any) -> list[int]:
        with transaction.atomic():
            locked = pictures.select_for_update(of=("self",)).order_by("pk")
            pks = list(locked.values_list("pk", flat=True))
            Picture.objects.filter(pk__in=pks).update(**changes)
        return pks

    def delete_permanently(self, by: Member | None = None) -> int:
        """Delete the files of trashed pictures. The rows stay: they explain what was charged.

        A file that another picture uses too is not deleted. `by` None: the system.
        """
        with transaction.atomic():
            # Locked, so that a picture restored meanwhile stays.
            trashed = self.filter(state=Picture.State.STORED, trashed_at__isnull=False)
            pictures = list(trashed.select_for_update(of=("self",)))
            names = {name for picture in pictures for name in picture.file_names}
            self.model.objects.filter(pk__in=[picture.pk for picture in pictures]).update(
                state=Picture.State.DELETED, file="", preview="", thumbnail=""
            )
            if pictures:
                AuditEntry.objects.record(
                    AuditAction.DELETED_PERMANENTLY, by, after=_numbers(pictures)
                )
            sharing = self.model.objects.filter(thumbnail__in=names)
            in_use = {name for picture in sharing for name in picture.file_names}
        for name in names - in_use:
            default_storage.delete(name)
        return len(pictures)

    def due_by_turn(self, limit: int) -> list["DuePicture"]:
        """Up to `limit` due pictures of each person, with their place among that person's.

        One query for all people, so that hundreds of pictures of one do not hide the only one of
        another.
        """
        due = self.filter(state=Picture.State.WANTED, next_try_at__lte=timezone.now())
        owner = models.F("generation__owner")
        turn = Window(RowNumber(), partition_by=owner, order_by=("next_try_at", "pk"))
        first = due.annotate(turn=turn).filter(turn__lte=limit).order_by("turn", "next_try_at")
        columns = first.values_list("pk", "generation__owner_id", "upstream_url")
        return [DuePicture(*row) for row in columns]

    def claim(self, pks: Collection[int], lease_seconds: float) -> list["Picture"]:
        """Lease these pictures for download, as far as they are still due.

        `next_try_at` is both schedule and lease: `renew_claims` extends it while the download
        lasts, and a picture claimed by a process that died becomes due again without further
        action. Claims are counted, so that a picture whose download kills the process is marked
        lost in the end.
        """
        now = timezone.now()
        with transaction.atomic():
            due = self.filter(pk__in=pks, state=Picture.State.WANTED, next_try_at__lte=now)
            claimed = list(due.select_for_update(skip_locked=True).values_list("pk", flat=True))
            self.filter(pk__in=claimed).update(
                next_try_at=now + timedelta(seconds=lease_seconds),
                claimed_by=this_process(),
                claims=models.F("claims") + 1,
            )
        return list(self.filter(pk__in=claimed).select_related("generation").order_by("pk"))

    def renew_claims(self, pks: Collection[int], lease_seconds: float) -> None:
        """Extend the leases of this process on these pictures, which it still downloads."""
        lease_end = timezone.now() + timedelta(seconds=lease_seconds)
        claimed = self.filter(pk__in=pks, state=Picture.State.WANTED, claimed_by=this_process())
        claimed.update(next_try_at=lease_end)

    def release_dead_claims(self) -> None:
        """Make pictures due now whose downloading process is certainly dead.

        The leases of processes that cannot be seen from here end by themselves.
        """
        wanted = self.filter(state=Picture.State.WANTED, next_try_at__isnull=False)
        for holder in wanted.order_by().values_list("claimed_by", flat=True).distinct():
            if holder and is_dead(holder):
                wanted.filter(claimed_by=holder).update(next_try_at=timezone.now(), claimed_by="")


class DuePicture(NamedTuple):
    """What decides whether a due picture is downloaded now."""

    pk: int
    owner_id: int
    upstream_url: str


class Picture(models.Model):
    """One image of a generation. The row exists once the upstream has listed the image."""

    class State(models.TextChoices):
        WANTED = "wanted", _("Waiting for download")
        STORED = "stored", _("Stored")
        LOST = "lost", _("Download failed")  # can be downloaded again
        DELETED = "deleted", _("Permanently deleted")

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="pictures")
    index = models.PositiveSmallIntegerField(help_text=_("Position in the generation, from 0."))
    state = models.CharField(max_length=7, choices=State, default=State.WANTED)
    upstream_url = models.TextField(blank=True, default="")
    received_file = models.FileField(
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text=_("The file that came with the answer. It is kept until the image is stored."),
    )
    tries = models.PositiveSmallIntegerField(
        default=0, help_text=_("Downloads that failed because of the file or its host.")
    )
    claims = models.PositiveIntegerField(
        default=0, help_text=_("Downloads in a row that started and never ended.")
    )
    claimed_by = models.CharField(
        max_length=200, blank=True, default="", help_text=_("The process that downloads it.")
    )
    next_try_at = models.DateTimeField(
        null=True, help_text=_("When the next download is due. Empty: none is.")
    )
    reason = models.CharField(
        max_length=300, blank=True, default="", help_text=_("Why the last download failed.")
    )

    file = models.FileField(max_length=200, blank=True)
    preview = models.FileField(max_length=200, blank=True, help_text=_("WebP, 1280 px wide."))
    thumbnail = models.FileField(max_length=200, blank=True, help_text=_("WebP, 512 px wide."))
    content_type = models.CharField(max_length=20, blank=True, default="")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    colour = models.CharField(
        max_length=7, blank=True, default="", help_text=_("Mean color, #rrggbb.")
    )
    stored_at = models.DateTimeField(null=True)
    tags = models.ManyToManyField(Tag, through=PictureTag, related_name="pictures", blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")

    restored_at = models.DateTimeField(
        null=True, blank=True, help_text=_("When it last left the trash.")
    )

    objects = PictureQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["generation", "index"], name="picture_generation_index_uniq"
            ),
            models.CheckConstraint(
                name="picture_stored_check",
                condition=~Q(state="stored")
                | (Q(width__gt=0, height__gt=0, size_bytes__gt=0) & ~Q(file="") & ~Q(sha256="")),
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="picture_not_stored_idx", condition=NOT_STORED),
            models.Index(fields=["sha256"], name="picture_sha256_idx"),  # search of the admin
            models.Index(
                fields=["next_try_at"],
                name="picture_next_try_at_idx",
                condition=Q(next_try_at__isnull=False),
            ),
            models.Index(
                fields=["stored_at"],
                name="picture_by_age_idx",
                condition=Q(trashed_at__isnull=True),
            ),
            models.Index(
                fields=["trashed_at"],
                name="picture_trashed_at_idx",
                condition=Q(trashed_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"picture {self.index + 1} of generation {self.generation_id}"

    @property
    def is_stored(self) -> bool:
        return self.state == self.State.STORED

    @property
    def is_available(self) -> bool:
        return self.is_stored and self.trashed_at is None

    @property
    def file_names(self) -> list[str]:
        return [file.name for file in (self.file, self.preview, self.thumbnail) if file.name]

    @property
    def number(self) -> int:
        """The position shown to people, from 1."""
        return self.index + 1

    @staticmethod
    def new_file_name(extension: str) -> str:
        return random_file_name("pictures", extension)

    def mark_stored(self, **columns: Any) -> bool:
        """Record that the files are stored; `columns` describe them. False if no longer wanted.

        Increments the version of the generation, so that open pages update its card.
        """
        changes = {
            "state": self.State.STORED,
            "stored_at": timezone.now(),
            "reason": "",
            "next_try_at": None,
            "claimed_by": "",
        }
        with transaction.atomic():
            if not self._update_wanted(**changes, **columns):
                return False
            type(self.generation).objects.filter(pk=self.generation_id).update(
                version=models.F("version") + 1
            )
            if self.generation.collection:
                self.generation.collection.add([self.pk], by=self.generation.owner)
            for name in self.generation.tag_names or ():
                Tag.objects.named(name).add_to([self.pk])
        return True

    def mark_lost(self, reason: str) -> bool:
        """End the downloads. False if another process has claimed the picture since."""
        return self._update_wanted(
            self._is_unchanged,
            state=self.State.LOST,
            reason=reason[:300],
            next_try_at=None,
            claimed_by="",
        )

    def try_later(self, seconds: float, reason: str, *, is_a_try: bool = True) -> bool:
        """Schedule the next download. Not `is_a_try`: the fault was not the file's.

        False if another process has claimed the picture since.
        """
        return self._update_wanted(
            self._is_unchanged,
            next_try_at=timezone.now() + timedelta(seconds=seconds),
            upstream_url=self.upstream_url,
            tries=self.tries + is_a_try,
            claims=0,
            claimed_by="",
            reason=reason[:300],
        )

    @property
    def _is_unchanged(self) -> Q:
        return Q(claimed_by=self.claimed_by)

    def _update_wanted(self, *conditions: Q, **changes: Any) -> bool:
        wanted = Picture.objects.filter(*conditions, pk=self.pk, state=self.State.WANTED)
        return wanted.update(**changes) == 1

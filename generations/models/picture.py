"""A finished image with its file and previews, and the image a member gives along."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.core.files.storage import default_storage
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .library import Favourite, Tag
from .member import Member


def _of_visible(member: Member) -> Q:
    """Of a generation the member may see."""
    if not member.is_active:
        return Q(pk__in=())
    return Q(generation__is_private=False) | Q(generation__owner=member)


def _file_name(folder: str, extension: str) -> str:
    """A name nobody can guess, spread over 256 folders."""
    name = uuid4().hex
    return f"{folder}/{name[:2]}/{name}.{extension}"


# Widths of the two previews in pixels: a tile at double density, and a screen.
THUMBNAIL_WIDTH = 512
PREVIEW_WIDTH = 1280
TRASH_DAYS = 30  # so long a member may take back what went to the trash


class PictureQuerySet(models.QuerySet["Picture"]):
    def available(self) -> "PictureQuerySet":
        return self.filter(state=Picture.State.STORED, trashed_at=None)

    def visible_to(self, member: Member) -> "PictureQuerySet":
        """Here, not in the trash, and of a generation that this member may see."""
        return self.available().filter(_of_visible(member))

    def with_favourites_of(self, member: Member) -> "PictureQuerySet":
        """Each knows `is_favourite`: whether it is one of theirs."""
        hearts = Favourite.objects.filter(member=member, picture=models.OuterRef("pk"))
        return self.annotate(is_favourite=models.Exists(hearts))

    def changeable_by(self, member: Member) -> "PictureQuerySet":
        """Whose maker may take them away or back: their owner and admins, of what they may see."""
        mine = Q() if member.is_admin else Q(generation__owner=member)
        return self.filter(mine, _of_visible(member), state=Picture.State.STORED)

    def in_trash(self, member: Member) -> "PictureQuerySet":
        """What this member may take back: for 30 days what is theirs; an admin without an end."""
        trashed = self.changeable_by(member).filter(trashed_at__isnull=False)
        if member.is_admin:
            return trashed
        return trashed.filter(trashed_at__gt=timezone.now() - timedelta(days=TRASH_DAYS))

    def trash(self, by: Member) -> list[int]:
        """Take them out of sight of everybody; returns the keys of those that went."""
        going = self.changeable_by(by).filter(trashed_at=None)
        return self._mark_trashed(going, trashed_at=timezone.now(), trashed_by=by)

    def restore(self, by: Member) -> list[int]:
        return self._mark_trashed(self.in_trash(by), trashed_at=None, trashed_by=None)

    @staticmethod
    def _mark_trashed(pictures: "PictureQuerySet", **changes: Any) -> list[int]:
        with transaction.atomic():
            still = pictures.select_for_update(of=("self",)).order_by("pk")
            found = list(still.values_list("pk", flat=True))
            Picture.objects.filter(pk__in=found).update(**changes)
        return found

    def delete_permanently(self) -> int:
        """Remove the files of what is in the trash; the rows stay, for they explain the money.

        A file that another picture shows too is kept.
        """
        gone = list(self.filter(state=Picture.State.STORED, trashed_at__isnull=False))
        names = {name for picture in gone for name in picture.file_names}
        with transaction.atomic():
            self.model.objects.filter(pk__in=[picture.pk for picture in gone]).update(
                state=Picture.State.DELETED, file="", preview="", thumbnail=""
            )
            shared = self.model.objects.filter(thumbnail__in=names)
            kept = {name for picture in shared for name in picture.file_names}
        for name in names - kept:
            default_storage.delete(name)
        return len(gone)

    def claim_wanted(self, limit: int, lease_seconds: float) -> list["Picture"]:
        """Lease up to `limit` pictures that are due; a crashed fetcher's come due by themselves.

        It is counted here too, so that a picture which kills its fetcher comes to an end.
        """
        now = timezone.now()
        due = self.filter(state=Picture.State.WANTED, next_try_at__lte=now).order_by("next_try_at")
        until = now + timedelta(seconds=lease_seconds)
        mine = []
        for pk, seen in due.values_list("pk", "next_try_at")[:limit]:
            still_due = self.filter(pk=pk, next_try_at=seen, state=Picture.State.WANTED)
            if still_due.update(next_try_at=until, claims=models.F("claims") + 1):
                mine.append(pk)
        return list(self.filter(pk__in=mine).select_related("generation").order_by("pk"))

    def reset_claims(self) -> None:
        """Whoever held them is dead: what is wanted comes due now."""
        self.filter(state=Picture.State.WANTED).update(next_try_at=timezone.now())


class Picture(models.Model):
    class State(models.TextChoices):
        WANTED = "wanted", _("listed by the upstream, not here yet")
        STORED = "stored", _("here, checked, with its previews")
        LOST = "lost", _("could not be fetched; may be asked for again")
        DELETED = "deleted", _("its files were removed for ever")

    generation = models.ForeignKey("Generation", models.CASCADE, related_name="pictures")
    index = models.PositiveSmallIntegerField(help_text=_("Position among its sisters, from 0."))
    state = models.CharField(max_length=7, choices=State, default=State.WANTED)
    upstream_url = models.TextField(blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0, help_text=_("That failed by themselves."))
    claims = models.PositiveIntegerField(default=0, help_text=_("Begun in a row and never ended."))
    next_try_at = models.DateTimeField(null=True, help_text=_("Due then; NULL when nothing is."))
    reason = models.CharField(max_length=300, blank=True, default="")

    file = models.FileField(max_length=200, blank=True)
    preview = models.FileField(max_length=200, blank=True, help_text=_("WebP, 1280 px wide"))
    thumbnail = models.FileField(max_length=200, blank=True, help_text=_("WebP, 512 px wide"))
    content_type = models.CharField(max_length=20, blank=True, default="")
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    size_bytes = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True, default="")
    colour = models.CharField(max_length=7, blank=True, default="", help_text=_("Mean, #rrggbb"))
    stored_at = models.DateTimeField(null=True)
    tags = models.ManyToManyField(Tag, related_name="pictures", blank=True)
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")

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
            models.Index(
                fields=["next_try_at"],
                name="picture_next_try_at_idx",
                condition=Q(next_try_at__isnull=False),
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
        """As people count, from 1."""
        return self.index + 1

    @staticmethod
    def new_file_name(extension: str) -> str:
        return _file_name("pictures", extension)

    def mark_stored(self, **facts: Any) -> bool:
        """The bytes are safe in the storage: `facts` are the file columns. False: no more wanted.

        Its card shows it at once, so the generation's version moves along.
        """
        changes = {"state": self.State.STORED, "stored_at": timezone.now(), "reason": ""}
        with transaction.atomic():
            if not self._update_wanted(next_try_at=None, **changes, **facts):
                return False
            type(self.generation).objects.filter(pk=self.generation_id).update(
                version=models.F("version") + 1
            )
            if self.generation.collection:
                self.generation.collection.add([self.pk], by=self.generation.owner)
        return True

    def mark_lost(self, reason: str) -> bool:
        return self._update_wanted(state=self.State.LOST, reason=reason[:300], next_try_at=None)

    def try_later(self, seconds: float, reason: str, *, is_a_try: bool = True) -> bool:
        """Not `is_a_try`: the trouble was ours, and the upstream's file is not to blame."""
        return self._update_wanted(
            next_try_at=timezone.now() + timedelta(seconds=seconds),
            tries=self.tries + is_a_try,
            claims=0,
            reason=reason[:300],
        )

    def _update_wanted(self, **changes: Any) -> bool:
        still_wanted = Picture.objects.filter(pk=self.pk, state=self.State.WANTED)
        return still_wanted.update(**changes) == 1


class ReferenceImageQuerySet(models.QuerySet["ReferenceImage"]):
    def visible_to(self, member: Member) -> "ReferenceImageQuerySet":
        """Its owner, and whoever may see a generation that was made from it."""
        from .generation import Generation  # the two point at each other

        used = Generation.objects.visible_to(member).filter(reference__isnull=False)
        return self.filter(Q(owner=member) | Q(pk__in=used.values("reference")))


class ReferenceImage(models.Model):
    """Kept from the first press on, whether the form was right or not: nothing is chosen twice."""

    owner = models.ForeignKey("Member", models.CASCADE, related_name="reference_images")
    file = models.FileField(max_length=200)
    name = models.CharField(max_length=200, help_text=_("As the member's file was called."))
    content_type = models.CharField(max_length=20)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    picture = models.ForeignKey(
        Picture, models.SET_NULL, null=True, blank=True, related_name="reference_images",
        help_text=_("One of ours, when it was made from that."),
    )  # fmt: skip
    created_at = models.DateTimeField(default=timezone.now)

    objects = ReferenceImageQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def new_file_name(extension: str) -> str:
        return _file_name("references", extension)

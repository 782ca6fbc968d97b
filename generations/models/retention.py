"""Retention: which images move to the trash by their age, and the runs that do it.

The rule is one row with a version. A run is bound to the version that its author saw, and to the
moment at which it began. It moves images to the trash in batches; what was charged is untouched.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from . import team_settings
from .audit_entry import AuditAction, AuditEntry
from .collection import CollectionItem
from .favourite import Favourite
from .generation import Generation
from .member import Member
from .picture import Picture, PictureQuerySet
from .status import FINAL

DAILY = timedelta(days=1)


class RuleChanged(Exception):
    """The rule is not the one that the page showed. Nothing was started."""


class RunInProgress(Exception):
    """Another run has not ended yet. Nothing was started."""


class RetentionRuleManager(models.Manager["RetentionRule"]):
    def current(self) -> "RetentionRule":
        """Return the row, or the defaults if nothing was saved yet."""
        return self.first() or RetentionRule()


class RetentionRule(models.Model):
    """One row. Images that match move to the trash; those in the trash can be deleted later."""

    days = models.PositiveIntegerField(default=365, help_text=_("Age of an image, in days."))
    keeps_favourites = models.BooleanField(default=True, help_text=_("Of anyone."))
    keeps_collections = models.BooleanField(default=True)
    keeps_private = models.BooleanField(default=True)
    is_daily = models.BooleanField(default=False)
    delete_after_days = models.PositiveIntegerField(
        default=0, help_text=_("Days in the trash. 0: never.")
    )
    version = models.PositiveIntegerField(default=1)
    changed_at = models.DateTimeField(default=timezone.now)

    RULE_FIELDS = ("days", "keeps_favourites", "keeps_collections", "keeps_private")
    FIELDS = (*RULE_FIELDS, "is_daily", "delete_after_days")

    objects = RetentionRuleManager()

    class Meta:
        verbose_name = _("retention rule")
        verbose_name_plural = _("retention rule")
        constraints = [models.CheckConstraint(name="retentionrule_is_one_row", condition=Q(pk=1))]

    def __str__(self) -> str:
        return f"retention rule, version {self.version}"

    @classmethod
    def locked(cls) -> "RetentionRule":
        """Create the row if needed, and lock it until the end of the transaction."""
        cls.objects.get_or_create(pk=1)
        return cls.objects.select_for_update().get(pk=1)

    @classmethod
    def change(cls, by: Member, version: int, values: Mapping[str, Any]) -> "RetentionRule":
        """Save the rule with an entry of the audit log. Raises RuleChanged."""
        with transaction.atomic():
            rule = cls.locked()
            if rule.version != version:
                raise RuleChanged
            before = rule.as_values()
            changed = [name for name in cls.FIELDS if before[name] != values[name]]
            if changed:
                for name in changed:
                    setattr(rule, name, values[name])
                rule.version += 1
                rule.changed_at = timezone.now()
                rule.save()
                AuditEntry.objects.record(
                    AuditAction.SETTING_CHANGED,
                    by,
                    on=rule,
                    before={name: before[name] for name in changed},
                    after={name: values[name] for name in changed},
                )
        return rule

    def as_values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.FIELDS}


class RetentionRunManager(models.Manager["RetentionRun"]):
    def open(self) -> "RetentionRun | None":
        return self.filter(ended_at=None).order_by("pk").first()

    def start(self, by: Member, version: int) -> "RetentionRun":
        """Start a run of the rule that was shown. Raises RuleChanged and RunInProgress.

        Call it in the transaction that also wakes up the loop.
        """
        with transaction.atomic():
            rule = RetentionRule.locked()
            if rule.version != version:
                raise RuleChanged
            if self.open():
                raise RunInProgress
            return self.create(by=by, **_frozen(rule), delete_after_days=0)

    def is_daily_due(self) -> bool:
        rule, since = RetentionRule.objects.current(), timezone.now() - DAILY
        if not (rule.is_daily or rule.delete_after_days):
            return False
        if rule.pk is None or rule.changed_at > since:
            return False  # time to look at what the new rule does
        return not self.filter(by=None, started_at__gt=since).exists()

    def start_daily(self) -> "RetentionRun | None":
        """Start the run of this day, unless one has started or is in progress."""
        with transaction.atomic():
            rule = RetentionRule.locked()
            if self.open() or not self.is_daily_due():
                return None
            frozen = _frozen(rule) | {"moves": rule.is_daily}
            return self.create(by=None, **frozen, delete_after_days=rule.delete_after_days)


def _frozen(rule: RetentionRule) -> dict[str, Any]:
    return {"version": rule.version} | {name: getattr(rule, name) for name in rule.RULE_FIELDS}


class RetentionRun(models.Model):
    """One run, with the rule as it was. `by` is None for the daily one."""

    by = models.ForeignKey(Member, models.SET_NULL, null=True, related_name="+")
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(help_text=_("Of the rule."))
    days = models.PositiveIntegerField()
    keeps_favourites = models.BooleanField()
    keeps_collections = models.BooleanField()
    keeps_private = models.BooleanField()
    moves = models.BooleanField(default=True, help_text=_("Whether images move to the trash."))
    delete_after_days = models.PositiveIntegerField(default=0)

    images = models.PositiveIntegerField(default=0, help_text=_("Moved to the trash."))
    size_bytes = models.PositiveBigIntegerField(default=0)
    deleted_images = models.PositiveIntegerField(default=0)
    # The key of the last image in the trash that was read, in the order of `trashed_at`.
    passed_at = models.DateTimeField(null=True)
    passed_pk = models.PositiveBigIntegerField(default=0)

    objects = RetentionRunManager()

    class Meta:
        verbose_name = _("retention run")
        verbose_name_plural = _("retention runs")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"retention run {self.pk}"

    def move_batch(self, limit: int) -> int:
        """Move up to `limit` images to the trash, and count them. Return how many."""
        if not self.moves:
            return 0
        with transaction.atomic():
            due = candidates(self, self.started_at).select_for_update(of=("self",))
            rows = list(due.values_list("pk", "size_bytes")[:limit])
            pictures = Picture.objects.filter(pk__in=[pk for pk, _size in rows])
            pictures.update(trashed_at=timezone.now(), trashed_by=self.by)
            self._count(images=len(rows), size_bytes=sum(size or 0 for _pk, size in rows))
        return len(rows)

    def delete_batch(self, limit: int) -> int:
        """Delete images for ever that were in the trash for long enough, out of the next `limit`.

        Return how many were read. A batch that is repeated finds its images deleted already.
        """
        if not self.delete_after_days:
            return 0
        days = max(self.delete_after_days, team_settings.current().trash_days)
        trashed = Picture.objects.filter(trashed_at__lt=self.started_at - timedelta(days=days))
        if self.passed_at:
            is_same_moment = Q(trashed_at=self.passed_at, pk__gt=self.passed_pk)
            trashed = trashed.filter(Q(trashed_at__gt=self.passed_at) | is_same_moment)
        keys = list(trashed.order_by("trashed_at", "pk").values_list("trashed_at", "pk")[:limit])
        if keys:
            deleted = trashed.filter(pk__in=[pk for _at, pk in keys]).delete_permanently()
            self._count(deleted_images=deleted, passed_at=keys[-1][0], passed_pk=keys[-1][1])
        return len(keys)

    def end(self) -> None:
        """Mark it as ended, with an entry of the audit log."""
        with transaction.atomic():
            ended = RetentionRun.objects.filter(pk=self.pk, ended_at=None)
            if not ended.update(ended_at=timezone.now()):
                return
            self.refresh_from_db()
            AuditEntry.objects.record(
                AuditAction.RETENTION_RUN,
                self.by,
                on=self,
                after={
                    "version": self.version,
                    "images": self.images,
                    "size_bytes": self.size_bytes,
                    "deleted_images": self.deleted_images,
                },
            )

    def _count(self, **changes: Any) -> None:
        """Add to the counters, and set the rest."""
        counters = ("images", "size_bytes", "deleted_images")
        values = {
            name: F(name) + value if name in counters else value for name, value in changes.items()
        }
        RetentionRun.objects.filter(pk=self.pk).update(**values)
        self.refresh_from_db()


def candidates(rule: RetentionRule | RetentionRun, at: datetime) -> PictureQuerySet:
    """The images that the rule moves to the trash at this moment, oldest first.

    The age of an image that was restored from the trash begins anew.
    """
    before = at - timedelta(days=rule.days)
    # A subquery instead of a join: SQLite without statistics would begin with all generations.
    generations = Generation.objects.filter(pk=OuterRef("generation"), status__in=FINAL)
    if rule.keeps_private:
        generations = generations.filter(is_private=False)
    pictures = Picture.objects.available().filter(
        Q(restored_at=None) | Q(restored_at__lt=before),
        Exists(generations),
        stored_at__lt=before,
    )
    if rule.keeps_favourites:
        pictures = pictures.filter(~Exists(Favourite.objects.filter(picture=OuterRef("pk"))))
    if rule.keeps_collections:
        pictures = pictures.filter(~Exists(CollectionItem.objects.filter(picture=OuterRef("pk"))))
    return pictures.order_by("stored_at", "pk")

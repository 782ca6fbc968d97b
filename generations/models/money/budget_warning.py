"""Warnings that a budget is nearly used: once for each threshold, period and person."""

from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .limit import Limit, LimitValues
from .period import MAX_LENGTH, Period
from .price import current_upstream

THRESHOLDS = (50, 80, 95, 100)  # percent


class BudgetWarningQuerySet(models.QuerySet["BudgetWarning"]):
    def unread_of(self, member: Member) -> "BudgetWarningQuerySet":
        """The highest unread warning of each running period is the last one of it."""
        return self.filter(person=member, read_at=None, period__ends_at__gt=timezone.now())

    def warn(self, period: Period, *, before: int, after: int, most: int) -> None:
        """Write the thresholds that a use between `before` and `after` of `most` has crossed.

        A personal budget concerns the person, the team's budget its admins.
        """
        crossed = [
            percent for percent in THRESHOLDS if before * 100 < percent * most <= after * 100
        ]
        if crossed:
            self.bulk_create(
                (
                    BudgetWarning(period=period, percent=percent, person=person)
                    for percent in crossed
                    for person in _concerned(period)
                ),
                ignore_conflicts=True,
            )

    def warn_of_limit(self, limit: Limit) -> None:
        """Write what running periods have reached of a limit that was set or changed.

        Nobody may be able to reserve any more, and so to cross a threshold.
        """
        now = timezone.now()
        periods = Period.objects.filter(
            upstream=current_upstream(),
            window=limit.window,
            starts_at__gt=now - MAX_LENGTH,
            starts_at__lte=now,
            ends_at__gt=now,
        ).select_related("member")
        match limit.scope:
            case Limit.Scope.TEAM:
                periods = periods.filter(member=None)
            case Limit.Scope.MEMBER:
                periods = periods.filter(member=limit.member)
            case Limit.Scope.ROLE:
                periods = periods.filter(member__role=limit.role, member__is_active=True)
            case _:
                periods = periods.filter(member__is_active=True)
        self.warn_of_use(periods)

    def warn_of_use(self, periods: Iterable[Period]) -> None:
        """Write the thresholds that these periods have reached, whatever has led to it."""
        found = list(periods)
        people = {period.member for period in found if period.member}
        limits = Limit.objects.in_force_of(list(people))
        for period in found:
            in_force = limits[period.member_id].get(period.kind, LimitValues(None, None))
            if in_force.money_e4:
                most = in_force.money_e4 + period.granted_e4
                self.warn(period, before=0, after=period.used_e4, most=most)
            if in_force.images:
                most = in_force.images + period.granted_images
                self.warn(period, before=0, after=period.used_images, most=most)


def _concerned(period: Period) -> Iterable[Member]:
    if period.member is not None:
        return [period.member]
    return Member.objects.admins()


class BudgetWarning(models.Model):
    period = models.ForeignKey(Period, models.CASCADE, related_name="warnings")
    percent = models.PositiveSmallIntegerField()
    person = models.ForeignKey(Member, models.CASCADE, related_name="budget_warnings")
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = BudgetWarningQuerySet.as_manager()

    class Meta:
        verbose_name = _("budget warning")
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["person"],
                name="budgetwarning_unread_idx",
                condition=models.Q(read_at__isnull=True),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "percent", "person"],
                name="budgetwarning_period_percent_person_uniq",
            )
        ]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.period}"

"""Warnings that a budget is nearly used: once for each threshold, period and person."""

from collections.abc import Iterable

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

from .period import Period

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

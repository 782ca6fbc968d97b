"""Limits: how much a person or the team may spend in a day or a month."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connection, models, transaction
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from generations.models.audit_entry import AuditAction, AuditEntry
from generations.models.member import Member
from generations.permissions import Role


class Window(models.TextChoices):
    DAY = "day", _("Day")
    MONTH = "month", _("Month")


class LimitValues(NamedTuple):
    """At most so much in each period; None: no limit of that kind."""

    money_e4: int | None
    images: int | None


def _with_kind(
    is_team: bool, by_window: dict[str, LimitValues]
) -> dict[tuple[bool, str], LimitValues]:
    return {(is_team, window): values for window, values in by_window.items()}


class LimitQuerySet(models.QuerySet["Limit"]):
    def in_force(self, member: Member) -> dict[tuple[bool, str], LimitValues]:
        """Return the limits of the team and of this member, by (is the team's, window).

        A member's own limit replaces that of the role, and the role's replaces the default.
        """
        # Raw, because every press and every studio page reads it.
        with connection.cursor() as cursor:
            cursor.execute(
                """SELECT scope, "window", money_e4, images FROM generations_limit
                   WHERE scope IN ('team', 'default') OR (scope = 'role' AND role = %s)
                       OR (scope = 'member' AND member_id = %s)""",
                [member.role, member.pk],
            )
            rows = cursor.fetchall()
        order = Limit.Scope.values
        rows.sort(key=lambda row: order.index(row[0]))  # the strongest last
        return {
            (scope == Limit.Scope.TEAM, window): LimitValues(money_e4, images)
            for scope, window, money_e4, images in rows
        }

    def in_force_of(
        self, members: Sequence[Member]
    ) -> dict[int | None, dict[tuple[bool, str], LimitValues]]:
        """`in_force` of many members, by key, in one statement. None: the limits of the team."""
        by_scope: dict[tuple[str, str, int | None], dict[str, LimitValues]] = {}
        rows = self.filter(~Q(scope=Limit.Scope.MEMBER) | Q(member__in=members))
        columns = ("scope", "role", "member_id", "window", "money_e4", "images")
        for scope, role, member_id, window, *values in rows.order_by().values_list(*columns):
            by_scope.setdefault((scope, role, member_id), {})[window] = LimitValues(*values)
        team = by_scope.get((Limit.Scope.TEAM, "", None), {})
        found: dict[int | None, dict[tuple[bool, str], LimitValues]] = {
            None: _with_kind(True, team)
        }
        for member in members:
            own = by_scope.get((Limit.Scope.DEFAULT, "", None), {})
            own = own | by_scope.get((Limit.Scope.ROLE, member.role, None), {})
            own = own | by_scope.get((Limit.Scope.MEMBER, "", member.pk), {})
            found[member.pk] = _with_kind(False, own)
        return found

    def without_own(self, member: Member) -> dict[str, LimitValues]:
        """Return what would hold for this member without a limit of their own, by window."""
        rows = self.filter(
            Q(scope=Limit.Scope.DEFAULT) | Q(scope=Limit.Scope.ROLE, role=member.role)
        )
        # The default first, so that the limit of the role replaces it.
        return {row.window: row.values for row in rows.order_by("scope")}

    def monthly_money(self, members: Sequence[Member]) -> dict[int, int]:
        """Return the money limit of a month in force for each of these, by key; none: left out."""
        found = self.in_force_of(members)
        months = {member.pk: found[member.pk].get((False, Window.MONTH)) for member in members}
        return {
            pk: limit.money_e4
            for pk, limit in months.items()
            if limit is not None and limit.money_e4 is not None
        }

    def put(
        self,
        scope: "Limit.Scope",
        window: Window,
        *,
        role: str = "",
        member: Member | None = None,
        by: Member | None = None,
        **values: object,
    ) -> None:
        """Set `money_e4`, `images` or both of one limit; what is not given stays.

        None removes that part, and the limit if no part is left. `by` None: from a command.
        """
        with transaction.atomic():
            key: dict[str, Any] = {"scope": scope, "window": window, "role": role, "member": member}
            stored = self.select_for_update().filter(**key).first()
            row, _created = self.update_or_create(**key, defaults={"by": by, **values})
            before = stored.values if stored else LimitValues(None, None)
            row.record_change(before, row.values, by)
            if row.values == (None, None):
                row.delete()
            elif row.values != before:
                apps.get_model("generations", "BudgetWarning").objects.warn_of_limit(row)


class Limit(models.Model):
    """At most so much money and so many images in each period. Empty: no limit of that kind."""

    class Scope(models.TextChoices):
        """From the weakest to the strongest; the team's limit is independent of the others."""

        TEAM = "team", _("The whole team")
        DEFAULT = "default", _("Each person")
        ROLE = "role", _("Each person with a role")
        MEMBER = "member", _("One person")

    scope = models.CharField(max_length=8, choices=Scope)
    window = models.CharField(max_length=5, choices=Window)
    role = models.CharField(max_length=8, choices=Role, blank=True, default="")
    member = models.ForeignKey(Member, models.CASCADE, null=True, blank=True, related_name="limits")
    money_e4 = models.BigIntegerField(_("money"), null=True, blank=True)
    images = models.PositiveIntegerField(null=True, blank=True)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")
    updated_at = models.DateTimeField(auto_now=True)

    objects = LimitQuerySet.as_manager()

    class Meta:
        verbose_name = _("limit")
        ordering = ["scope", "role", "member", "window"]
        constraints = [
            models.CheckConstraint(
                name="limit_money_check",
                condition=Q(money_e4__isnull=True) | Q(money_e4__gte=0),
            ),
            models.CheckConstraint(
                name="limit_scope_check",
                condition=Q(scope__in=("team", "default"), role="", member=None)
                | (Q(scope="role", member=None) & ~Q(role=""))
                | Q(scope="member", role="", member__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["scope", "role", "window"],
                condition=Q(member__isnull=True),
                name="limit_scope_role_window_uniq",
            ),
            models.UniqueConstraint(
                fields=["member", "window"],
                condition=Q(member__isnull=False),
                name="limit_member_window_uniq",
            ),
        ]

    def __str__(self) -> str:
        whose = self.member or self.role or self.scope
        return f"{whose}, {self.window}"

    @property
    def values(self) -> LimitValues:
        return LimitValues(self.money_e4, self.images)

    def record_change(self, before: LimitValues, after: LimitValues, by: Member | None) -> None:
        """Write a change to the audit log: on the person, or on the limit of many."""
        if before != after:
            which = {"window": str(self.window)}
            if self.member is None:
                which |= {"scope": str(self.scope), "role": str(self.role)}
            AuditEntry.objects.record(
                AuditAction.LIMIT_CHANGED,
                by,
                on=self.member or self,
                before=which | before._asdict(),
                after=which | after._asdict(),
            )

"""The price table: what one image costs. A price is never changed, only superseded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.audit_entry import AuditAction, AuditEntry
from generations.models.member import Member
from generations.models.team import Team

from .amounts import plain

ANY = "*"


def current_upstream() -> str:
    upstream: str = settings.UPSTREAM_MODE
    return upstream


class PriceQuerySet(models.QuerySet["Price"]):
    def in_force(self, at: datetime | None = None) -> list["Price"]:
        """Return the newest price of each kind for the current upstream, by kind."""
        rows = self.filter(upstream=current_upstream(), valid_from__lte=at or timezone.now())
        newest: dict[tuple[str, str, str], Price] = {}
        for row in rows.order_by("valid_from", "pk"):
            newest[row.engine, row.model, row.option] = row
        return sorted(newest.values(), key=lambda row: (row.engine, row.model, row.option))

    def put(
        self,
        kind: Mapping[str, str],
        amount_e4: int,
        by: Member | None,
        *,
        valid_from: datetime | None = None,
        note: str = "",
    ) -> tuple["Price", bool]:
        """Store a price and record it, and return True; or return the stored one of this moment.

        `kind`: `engine`, `model` and `option`, and `upstream` if it is not the current one.
        `valid_from` None: from now on.
        """
        with transaction.atomic():
            price, is_new = self.get_or_create(
                **({"upstream": current_upstream(), "option": ""} | dict(kind)),
                valid_from=valid_from or timezone.now(),
                defaults={"amount_e4": amount_e4, "by": by},
            )
            if is_new:
                price.record(by, note)
        return price, is_new

    def table(self, engine: str, at: datetime | None = None) -> "PriceTable":
        """Return the prices of one engine, in one query."""
        moment = connection.ops.adapt_datetimefield_value(at or timezone.now())
        with connection.cursor() as cursor:  # raw: a part of every press
            cursor.execute(
                """SELECT model, "option", amount_e4 FROM generations_price
                WHERE upstream = %s AND engine = %s AND valid_from <= %s
                ORDER BY valid_from, id""",
                [current_upstream(), engine, moment],
            )
            newest_last = cursor.fetchall()
        return PriceTable({(model, option): amount for model, option, amount in newest_last})

    def tables(self, engines: Iterable[str], at: datetime | None = None) -> dict[str, "PriceTable"]:
        """Return the prices of several engines, in one query."""
        amounts: dict[str, dict[tuple[str, str], int]] = {engine: {} for engine in engines}
        if len(amounts) == 1:
            return {engine: self.table(engine, at) for engine in amounts}
        rows = self.filter(
            upstream=current_upstream(), engine__in=amounts, valid_from__lte=at or timezone.now()
        ).order_by("valid_from", "pk")
        for engine, model, option, amount in rows.values_list(
            "engine", "model", "option", "amount_e4"
        ):
            amounts[engine][model, option] = amount
        rule = _UnpricedRule()
        return {engine: PriceTable(found, rule) for engine, found in amounts.items()}


class _UnpricedRule:
    """What happens without a price: read only when it is needed, and once for all tables."""

    @cached_property
    def value(self) -> str:
        return Team.objects.current().unpriced_rule


@dataclass(frozen=True)
class PriceTable:
    """The prices in force of one engine, by model and option."""

    amounts_e4: Mapping[tuple[str, str], int]
    rule: _UnpricedRule = field(default_factory=_UnpricedRule)

    @property
    def unpriced_rule(self) -> str:
        return self.rule.value

    def find(self, model: str, option: str = "") -> int | None:
        """Return the nearest price: the option's, else the model's, else that of any model."""
        kinds = ((model, option), (model, ""), (ANY, option), (ANY, ""))
        return next((self.amounts_e4[kind] for kind in kinds if kind in self.amounts_e4), None)


class Price(models.Model):
    """The price of an image from `valid_from` on. Without an option, of all options without one."""

    upstream = models.CharField(max_length=20, default=current_upstream)
    engine = models.CharField(max_length=20)
    model = models.CharField(max_length=60, help_text=_("* is any model."))
    option = models.CharField(
        max_length=60, blank=True, default="", help_text=_("For example “reference”.")
    )
    amount_e4 = models.BigIntegerField(_("price of an image"), help_text=_("In ten-thousandths."))
    valid_from = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(Member, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = PriceQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ["engine", "model", "option", "-valid_from"]
        constraints = [
            models.CheckConstraint(name="price_amount_check", condition=models.Q(amount_e4__gte=0)),
            models.UniqueConstraint(
                fields=["upstream", "engine", "model", "option", "valid_from"],
                name="price_kind_valid_from_uniq",
            ),
        ]

    def __str__(self) -> str:
        kind = " ".join(filter(None, (self.engine, self.model, self.option)))
        return f"{kind}: {plain(self.amount_e4)}"

    def save(self, *args: Any, **options: Any) -> None:
        """Store it, and forget that kinds were refused which have a price now."""
        super().save(*args, **options)
        apps.get_model("generations", "RefusedKind").objects.forget_priced()

    def record(self, by: Member | None, note: str = "") -> None:
        """Record in the audit log that this price was set, and the one before it."""
        kind = {name: getattr(self, name) for name in ("upstream", "engine", "model", "option")}
        earlier = Price.objects.filter(**kind, valid_from__lt=self.valid_from)
        before = earlier.order_by("-valid_from", "-pk").first()
        AuditEntry.objects.record(
            AuditAction.PRICE_SET,
            by,
            on=self,
            label=" ".join(filter(None, (self.engine, self.model, self.option))),
            before={"price_e4": before.amount_e4} if before else {},
            after={"price_e4": self.amount_e4, "valid_from": self.valid_from.isoformat()},
            note=note,
        )

"""The price table: what one image costs. A price is never changed, only superseded."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generations.models.member import Member

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

    def find(
        self, engine: str, model: str, option: str = "", at: datetime | None = None
    ) -> "Price | None":
        """Return the price of one kind. The nearest applies: the option's, the model's, any's."""
        kinds = [(model, option), (model, ""), (ANY, option), (ANY, "")]
        rows = {
            (row.model, row.option): row
            for row in self.filter(
                upstream=current_upstream(),
                engine=engine,
                model__in=(model, ANY),
                option__in=(option, ""),
                valid_from__lte=at or timezone.now(),
            ).order_by("valid_from", "pk")
        }
        return next((rows[kind] for kind in kinds if kind in rows), None)


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

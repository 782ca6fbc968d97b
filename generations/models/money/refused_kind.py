"""Kinds of requests that were refused because they have no price: what an admin has to price."""

from django.db import models
from django.db.models import F
from django.utils import timezone

from .price import Price, current_upstream


class RefusedKindQuerySet(models.QuerySet["RefusedKind"]):
    def count_refusal(self, engine: str, model: str, option: str) -> None:
        """Record one refused request. Not in a transaction that the refusal rolls back."""
        now = timezone.now()
        kind = {
            "upstream": current_upstream(),
            "engine": engine,
            "model": model,
            "option": option,
        }
        row, is_new = self.get_or_create(**kind, defaults={"last_at": now})
        if not is_new:
            self.filter(pk=row.pk).update(count=F("count") + 1, last_at=now)

    def without_price(self) -> list["RefusedKind"]:
        """The refused kinds of the current upstream that still have no price, the newest first."""
        rows = self.filter(upstream=current_upstream()).order_by("-last_at", "pk")
        tables = {engine: Price.objects.table(engine) for engine in {row.engine for row in rows}}
        return [row for row in rows if tables[row.engine].find(row.model, row.option) is None]

    def forget_priced(self) -> None:
        """Delete the kinds that have a price now."""
        open_keys = [row.pk for row in self.without_price()]
        self.filter(upstream=current_upstream()).exclude(pk__in=open_keys).delete()


class RefusedKind(models.Model):
    """One row for each kind, however often it was refused; deleted once it has a price."""

    upstream = models.CharField(max_length=20)
    engine = models.CharField(max_length=20)
    model = models.CharField(max_length=60)
    option = models.CharField(max_length=60, blank=True, default="")
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField()

    objects = RefusedKindQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "engine", "model", "option"], name="refusedkind_kind_uniq"
            )
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.engine, self.model, self.option)))

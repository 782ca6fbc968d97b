"""Cost of the admin's pages on an install with sample data, whose ledger is filled first.

The install is chosen by its environment, as in `tests.bench.pages`.
"""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.bench import pages  # first: it sets Django up

# isort: split
from django.db import connection
from django.db.models import Max, Min

from generations.models import Generation, Member, Picture, Status, statistics
from generations.models.money import LedgerEntry, Period
from generations.models.money.limit import Window
from generations.models.money.period import boundaries
from generations.permissions import Role
from generations.web.keyset import key_of

ROWS = "/admin/generations"
# One line for each page. The names in braces are those of `_values`.
ADMIN_PAGES = (
    ("overview", "/admin/"),
    ("queue", "/admin/queue/"),
    ("people", "/admin/people/"),
    ("generations", f"{ROWS}/generation/"),
    ("generations, oldest", f"{ROWS}/generation/?p={{second_key}}"),
    ("state: failed", f"{ROWS}/generation/?status__exact=failed"),
    ("state: queued", f"{ROWS}/generation/?status__exact=queued"),
    ("failure: policy", f"{ROWS}/generation/?failure=policy"),
    ("person", f"{ROWS}/generation/?person={{person}}"),
    ("person and failed", f"{ROWS}/generation/?person={{person}}&status__exact=failed"),
    ("search: a rare word", f"{ROWS}/generation/?q=ammonite"),
    ("search: a common word", f"{ROWS}/generation/?q=light"),
    ("search: no hit", f"{ROWS}/generation/?q=zzzz"),
    ("search: ID", f"{ROWS}/generation/?q={{generation}}"),
    ("search: user name", f"{ROWS}/generation/?q=sample-chen"),
    ("generation", f"{ROWS}/generation/{{generation}}/change/"),
    ("images", f"{ROWS}/picture/"),
    ("images, oldest", f"{ROWS}/picture/?p={{second_picture}}"),
    ("images in the trash", f"{ROWS}/picture/?state=trashed"),
    ("images: a rare word", f"{ROWS}/picture/?q=ammonite"),
    ("images: a common word", f"{ROWS}/picture/?q=light"),
    ("images: SHA-256", f"{ROWS}/picture/?q={{sha256}}"),
    ("image", f"{ROWS}/picture/{{picture}}/change/"),
    ("ledger", f"{ROWS}/ledgerentry/"),
    ("ledger, every period", f"{ROWS}/ledgerentry/?period=all"),
    ("ledger: charges", f"{ROWS}/ledgerentry/?kind__exact=charge"),
    ("ledger: corrections", f"{ROWS}/ledgerentry/?kind__exact=correct"),
    ("ledger: person", f"{ROWS}/ledgerentry/?person={{person}}"),
    ("ledger: month", f"{ROWS}/ledgerentry/?period={{period}}"),
    ("ledger: generation", f"{ROWS}/ledgerentry/?q={{generation}}"),
    ("prices", f"{ROWS}/price/"),
    ("limits", "/admin/limits/"),
    ("diagnostics", "/admin/diagnostics/"),
)


def main() -> None:
    _fill_ledger()
    owner = Member.objects.get(username="sample-chen")
    owner.role = Role.OWNER
    owner.save()
    count = LedgerEntry.objects.count()
    print(f"\n{count:,} entries in the ledger")
    values = _values(owner)
    pages.measure_all(owner, [(name, url.format(**values)) for name, url in ADMIN_PAGES])


def _values(owner: Member) -> dict[str, Any]:
    rows = Generation.objects.filter(status=Status.SUCCEEDED).order_by("created_at", "pk")
    second, picture = rows[1], Picture.objects.visible_to(owner)[0]
    return {
        "second_key": key_of(rows[49]),
        "person": owner.pk,
        "generation": second.pk,
        "picture": picture.pk,
        "second_picture": Picture.objects.order_by("pk")[49].pk,
        "sha256": picture.sha256,
        "period": Period.objects.filter(member=None).order_by("starts_at")[1].pk,
    }


def _fill_ledger() -> None:
    """Reserve and charge every generation, in a month of the team and one of the person."""
    if LedgerEntry.objects.exists():
        return
    zone = ZoneInfo("UTC")
    times = Generation.objects.aggregate(first=Min("created_at"), last=Max("created_at"))
    people = [None, *Member.objects.filter(generations__isnull=False).distinct()]
    at: datetime = times["first"]
    while at <= times["last"] + timedelta(days=31):
        starts_at, ends_at = boundaries(Window.MONTH, at, zone)
        Period.objects.bulk_create(
            Period(member=each, window=Window.MONTH, starts_at=starts_at, ends_at=ends_at)
            for each in people
        )
        at = ends_at
    with connection.cursor() as cursor:
        for kind, step in (("reserve", "reserve"), ("charge", "end")):
            cursor.execute(_INSERT, [kind, f".r1.{step}", 480 if kind == "charge" else 0])
    statistics.update()


_INSERT = """
    INSERT INTO generations_ledgerentry (
        at, kind, key, period_id, upstream, generation_id, reservation, engine, model, option,
        person_id, by_id, unit_price_e4, reserved_e4, charged_e4, granted_e4,
        reserved_images, charged_images, granted_images, reason)
    SELECT g.created_at, %s, 'g' || g.id || %s, p.id, p.upstream, g.id, 1, 'kling', '*', '',
        g.owner_id, g.owner_id, 120, 480, %s, 0, g.n, 0, 0, ''
    FROM generations_generation g JOIN generations_period p
        ON (p.member_id IS NULL OR p.member_id = g.owner_id)
            AND p.starts_at <= g.created_at AND p.ends_at > g.created_at"""


if __name__ == "__main__":
    main()

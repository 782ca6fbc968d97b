"""What the pages of a house that `manage.py fill` filled cost the server.

It reads the settings of that house: `KLINGWEB_DATA_DIR=... python -m tests.bench.pages`.
"""

import gzip
import os
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.staticfiles.management.commands import collectstatic  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402

from generations.models import Collection, Generation, Member, Picture, Status, Tag  # noqa: E402
from generations.web.gallery.filters import Filter  # noqa: E402
from generations.web.gallery.gallery import ROWS_A_PAGE  # noqa: E402
from tests.bench.say import at  # noqa: E402

WARM, MEASURED = 5, 30
HEADINGS = ("", "p50 ms", "p95 ms", "cpu ms", "queries", "KB", "KB gzip")


def main() -> None:
    settings.ALLOWED_HOSTS = ["*"]
    call_command(collectstatic.Command(), interactive=False, verbosity=0)
    member = Member.objects.get(username="fill-chen")
    client = Client()
    client.force_login(member)
    rows = Generation.objects.count()
    print(f"\n{rows:,} generations, {Picture.objects.count():,} pictures")
    print(f"{HEADINGS[0]:<24}" + "".join(f"{heading:>9}" for heading in HEADINGS[1:]))
    for name, address in _pages(member):
        _measure(client, name, address)
    _say_plans(member)
    _say_offset()


def _pages(member: Member) -> Iterator[tuple[str, str]]:
    made = Generation.objects.filter(status=Status.SUCCEEDED).order_by("created_at")
    oldest, picture = made[0], Picture.objects.visible_to(member)[0]
    yield "gallery, first page", "/gallery/"
    yield "gallery, a year ago", "/gallery/?month=2025-11"
    yield "gallery, oldest month", f"/gallery/?month={oldest.created_at:%Y-%m}"
    yield "search: a rare word", "/gallery/?q=ammonite"
    yield "search: a common word", "/gallery/?q=light"
    yield "search: two words", "/gallery/?q=pear+fog"
    yield "search: no hit", "/gallery/?q=zzzz"
    yield "filter: person", f"/gallery/?by={member.pk}"
    yield "filter: ratio", "/gallery/?ratio=21:9"
    yield "filter: favourites", "/gallery/?favourite=1"
    yield "filter: tag", f"/gallery/?tag={Tag.objects.all()[0].pk}"
    yield "filter: collection", f"/gallery/?collection={Collection.objects.all()[0].pk}"
    yield "filter: reference", "/gallery/?reference=with"
    yield "filter: not made", "/gallery/?state=failed"
    yield "one picture", f"/pictures/{picture.pk}/"
    yield "studio", "/"
    yield "my prompts", "/history/"


def _measure(client: Client, name: str, address: str) -> None:
    for _time in range(WARM):
        client.get(address)
    walls, processor = [], []
    for _time in range(MEASURED):
        wall, busy = time.perf_counter(), time.process_time()
        answer = client.get(address)
        walls.append(1000 * (time.perf_counter() - wall))
        processor.append(1000 * (time.process_time() - busy))
    assert answer.status_code == 200, (address, answer.status_code)
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    sizes = len(answer.content) / 1000, len(gzip.compress(answer.content)) / 1000
    print(
        f"{name:<24}{median(walls):>9.1f}{at(95, walls):>9.1f}{median(processor):>9.1f}"
        f"{len(captured):>9}{sizes[0]:>9.0f}{sizes[1]:>9.1f}",
        flush=True,
    )


def _say_plans(member: Member) -> None:
    for name, query in (("first page", ""), ("a person", f"by={member.pk}")):
        asked: Any = RequestFactory().get(f"/gallery/?{query}").GET
        print(f"plan, {name}: {_flat(Filter(asked, member).rows()[:ROWS_A_PAGE].explain())}")


def _flat(plan: str) -> str:
    return " / ".join(line.strip() for line in plan.splitlines())


def _say_offset() -> None:
    """What the same page would cost by counting all and leaving out all but the last."""
    shown = Picture.objects.available().order_by("-generation__created_at", "-generation", "index")
    began = time.perf_counter()
    many = shown.count()
    counted = time.perf_counter()
    list(shown[max(many - 60, 0) : many])
    skipped = time.perf_counter()
    print(
        f"by COUNT and OFFSET instead: {1000 * (counted - began):.0f} ms to count, "
        f"{1000 * (skipped - counted):.0f} ms to the last page"
    )


if __name__ == "__main__":
    main()

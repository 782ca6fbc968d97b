"""Cost of pages on an install with sample data (`manage.py sample_data`).

The install is chosen by its environment: `KLINGWEB_DATA_DIR=... python -m tests.bench.pages`.
"""

import gzip
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.bench.report import percentile  # noqa: E402

# What the search dialog asks for, with each key press.
TYPED = ("a", "li", "lig", "light", "ottl", "ammonite", "amonite", "pear fog", "xyzzy")
WARM_UP_REQUESTS, MEASURED_REQUESTS = 5, 30
HEADINGS = ("", "p50 ms", "p95 ms", "cpu ms", "queries", "steps", "KB", "KB gzip")
STEPS_A_CALL = 10


def main() -> None:
    member = Member.objects.get(username="sample-chen")
    _print_plans(member)
    measure_all(member, list(_pages(member)))
    _print_offset_cost()


def measure_all(member: Member, pages: list[tuple[str, str]]) -> None:
    """Print the cost of each page (name, URL), with the planner's statistics and without."""
    settings.ALLOWED_HOSTS = ["*"]
    call_command(collectstatic.Command(), interactive=False, verbosity=0)
    client = Client()
    client.force_login(member)
    rows = Generation.objects.count()
    print(f"\n{rows:,} generations, {Picture.objects.count():,} pictures")
    print(f"{HEADINGS[0]:<24}" + "".join(f"{heading:>9}" for heading in HEADINGS[1:]))
    for name, url in pages:
        _measure(client, name, url)
    if connection.vendor == "sqlite":
        _forget_statistics()
        print("the same without the planner's statistics")
        for name, url in pages:
            _measure(client, name, url)


def _pages(member: Member) -> Iterator[tuple[str, str]]:
    """Yield name and URL of every page that is measured."""
    succeeded = Generation.objects.filter(status=Status.SUCCEEDED).order_by("created_at")
    oldest, picture = succeeded[0], Picture.objects.visible_to(member)[0]
    yield "gallery, first page", "/gallery/"
    yield "gallery, a year ago", "/gallery/?month=2025-11"
    yield "gallery, oldest month", f"/gallery/?month={oldest.created_at:%Y-%m}"
    yield "search: a rare word", "/gallery/?q=ammonite"
    yield "search: a common word", "/gallery/?q=light"
    yield "search: two words", "/gallery/?q=pear+fog"
    yield "search: no hit", "/gallery/?q=zzzz"
    yield "search: a part", "/gallery/?q=mmonit"
    yield "search: a typo", "/gallery/?q=amonite"
    yield "search: person, ratio", f"/gallery/?q={member.first_name}+16:9+pear"
    yield "more like this", f"/gallery/?like={picture.pk}"
    for text in TYPED:
        yield f"key press: {text}", f"/search/?q={text.replace(' ', '+')}"
    yield "filter: person", f"/gallery/?by={member.pk}"
    yield "filter: aspect ratio", "/gallery/?ratio=21:9"
    yield "filter: favourites", "/gallery/?favourite=1"
    yield "filter: tag", f"/gallery/?tag={Tag.objects.all()[0].pk}"
    yield "filter: collection", f"/gallery/?collection={Collection.objects.all()[0].pk}"
    yield "filter: reference", "/gallery/?reference=with"
    yield "filter: failed", "/gallery/?state=failed"
    yield "image", f"/pictures/{picture.pk}/"
    yield "studio", "/"
    yield "prompt history", "/history/"


def _measure(client: Client, name: str, url: str) -> None:
    headers = {"HX-Request": "true"} if url.startswith("/search/") else None  # results alone
    for _time in range(WARM_UP_REQUESTS):
        client.get(url, headers=headers)
    wall_ms, cpu_ms = [], []
    for _time in range(MEASURED_REQUESTS):
        wall, cpu = time.perf_counter(), time.process_time()
        response = client.get(url, headers=headers)
        wall_ms.append(1000 * (time.perf_counter() - wall))
        cpu_ms.append(1000 * (time.process_time() - cpu))
    assert response.status_code == 200, (url, response.status_code)
    with CaptureQueriesContext(connection) as captured, _counted_steps() as steps:
        client.get(url, headers=headers)
    sizes = len(response.content) / 1000, len(gzip.compress(response.content)) / 1000
    print(
        f"{name:<24}{median(wall_ms):>9.1f}{percentile(95, wall_ms):>9.1f}"
        f"{median(cpu_ms):>9.1f}"
        f"{len(captured):>9}{steps[0]:>9,}{sizes[0]:>9.0f}{sizes[1]:>9.1f}",
        flush=True,
    )


@contextmanager
def _counted_steps() -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine, in the first element; 0 on PostgreSQL."""
    count = [0]

    def step() -> int:
        count[0] += STEPS_A_CALL
        return 0

    if connection.vendor != "sqlite":
        yield count
        return
    connection.ensure_connection()
    connection.connection.set_progress_handler(step, STEPS_A_CALL)
    yield count
    connection.connection.set_progress_handler(None, 0)


def _print_plans(member: Member) -> None:
    for name, query in (("first page", ""), ("a person", f"by={member.pk}")):
        data: Any = RequestFactory().get(f"/gallery/?{query}").GET
        print(f"plan, {name}: {_one_line(Filter(data, member).rows()[:ROWS_A_PAGE].explain())}")


def _forget_statistics() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM sqlite_stat1")
    connection.close()  # a connection reads them when it opens


def _one_line(plan: str) -> str:
    return " / ".join(line.strip() for line in plan.splitlines())


def _print_offset_cost() -> None:
    """Print what the last page would cost with COUNT and OFFSET instead of keyset paging."""
    pictures = Picture.objects.available().order_by(
        "-generation__created_at", "-generation", "index"
    )
    started = time.perf_counter()
    count = pictures.count()
    counted = time.perf_counter()
    list(pictures[max(count - 60, 0) : count])
    finished = time.perf_counter()
    print(
        f"by COUNT and OFFSET instead: {1000 * (counted - started):.0f} ms to count, "
        f"{1000 * (finished - counted):.0f} ms for the last page"
    )


if __name__ == "__main__":
    main()

"""Cost of importing and comparing a gateway log, and of the pages of reconciliation after it.

The install is chosen by its environment, as in `tests.bench.pages`, and must be an empty one:
`KLINGWEB_DATA_DIR=... python -m tests.bench.reconcile 200000`.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.bench import pages  # first: it sets Django up

# isort: split

from django.core.files.base import ContentFile
from django.db import connection
from django.test import Client

from generations.models import Generation, Member, Status
from generations.models.money import Comparison, GatewayLog
from generations.reconciliation import importing
from generations.reconciliation.columns import ColumnMapping
from tests.bench.report import print_figure

START, DAYS = datetime(2026, 10, 1, tzinfo=UTC), 30
MAPPING = ColumnMapping(
    at="time", amount="amount", task_id="task", model="model", request_id="request",
    time_zone="UTC",
)  # fmt: skip
UNKNOWN_EVERY, DIFFERENT_EVERY = 777, 1000
PAGE = "/admin/reconciliation/"
DECISIONS = 20


def main() -> None:
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    by = Member.objects.create(username="bench", role="admin")
    _fill(by, lines)
    log = _upload(by, lines)
    with _longest_transaction() as longest:
        for state in ("reading", "storing", "matching"):
            _step(log, state, lines)
    print_figure("longest transaction (write lock of SQLite)", f"{max(longest) * 1000:.0f} ms")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print_figure("peak memory, with the making of the rows", f"{peak} MB")
    open_rows = Comparison.objects.filter(group__in=("unknown", "different"))
    print_figure("differences found", f"{open_rows.count():,}")
    client = Client()
    client.force_login(by)
    months = [("all groups", ""), ("one group", "&group=different"), ("matched", "&group=matched")]
    addresses = [(f"month, {name}", f"{PAGE}?month=2026-10{query}") for name, query in months]
    pages.measure_all(by, [*addresses, ("import", f"{PAGE}logs/{log.pk}/")])
    _decide(client)


def _fill(by: Member, lines: int) -> None:
    """A generation for each line, but some; some were charged another amount."""
    step = timedelta(days=DAYS) / lines
    for start in range(0, lines, 5000):
        Generation.objects.bulk_create(
            _generation(by, number, START + step * number)
            for number in range(start, min(start + 5000, lines))
            if number % UNKNOWN_EVERY
        )


def _generation(by: Member, number: int, at: datetime) -> Generation:
    return Generation(
        owner=by,
        prompt="bench",
        search_text="bench",
        aspect_ratio="1:1",
        n=4,
        idempotency_key=str(number),
        status=Status.SUCCEEDED,
        status_at=at,
        created_at=at,
        submitted_at=at,
        accepted_at=at,
        finished_at=at + timedelta(seconds=20),
        upstream_task_id=f"task-{number:08}",
        attempt=1,
        charged_e4=4800 if number % DIFFERENT_EVERY else 2400,
    )


def _upload(by: Member, lines: int) -> GatewayLog:
    step = timedelta(days=DAYS) / lines
    rows = (
        f"{(START + step * number).isoformat()},task-{number:08},0.48,kling-v1,r{number}\n"
        for number in range(lines)
    )
    log = GatewayLog(by=by)
    text = "time,task,amount,model,request\n" + "".join(rows)
    log.file.save("bench.csv", ContentFile(text.encode()))
    importing.start(log, MAPPING, by)
    return log


def _step(log: GatewayLog, state: str, lines: int) -> None:
    """Run one state of the import to its end."""
    cpu, wall = time.process_time(), time.perf_counter()
    importing.run(log, lambda: GatewayLog.objects.filter(pk=log.pk, state=state).exists())
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print_figure(f"{state}, {lines:,} lines: processor / wall", f"{cpu:.1f} / {wall:.1f} s")


@contextmanager
def _longest_transaction() -> Iterator[list[float]]:
    """The seconds of each transaction, from its first statement to its commit."""
    found, begun = [0.0], [0.0]
    own: Any = connection
    commit, begin = own._commit, own._start_transaction_under_autocommit

    def timed_begin() -> None:
        begin()
        begun[0] = time.perf_counter()

    def timed_commit() -> Any:
        result = commit()
        found.append(time.perf_counter() - begun[0])
        return result

    patches: dict[str, Callable[[], Any]] = {
        "_commit": timed_commit,
        "_start_transaction_under_autocommit": timed_begin,
    }
    for name, patch in patches.items():
        setattr(connection, name, patch)
    yield found
    for name in patches:
        delattr(connection, name)


def _decide(client: Client) -> None:
    cpu_ms = []
    for row in Comparison.objects.filter(group="different", decision="")[:DECISIONS]:
        values = {"decision": "kept", "note": "bench", "billed": row.billed_e4}
        cpu = time.process_time()
        response = client.post(f"{PAGE}{row.pk}/decide", values | {"recorded": row.recorded_e4})
        cpu_ms.append((time.process_time() - cpu) * 1000)
        assert response.status_code == 302
    print_figure("one decision, processor p50", f"{sorted(cpu_ms)[len(cpu_ms) // 2]:.1f} ms")


if __name__ == "__main__":
    main()

"""Fetches the log of a month from the gateway's account API, into the file that is then imported.

It is asked day by day, so that responses stay small, and by pages within a day. After each day the
row says how many days the file has, and its size: a run that was cut short goes on with the next.
"""

import csv
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils import timezone

from generations.encryption import CannotDecrypt
from generations.engines.account import PAGE_SIZE, AccountClient, LogPage, LogRow
from generations.engines.base import EngineError, HoldReason, OnHold, RequestRefused, SlowDown
from generations.engines.gateway import Gateway
from generations.models import AccountKey, Team
from generations.models.money import GatewayLog
from generations.reconciliation import months
from generations.reconciliation.cells import QUOTA
from generations.reconciliation.columns import ColumnMapping
from generations.reconciliation.parsing import MAX_BYTES, MAX_LINES

logger = logging.getLogger(__name__)

RETRY_SECONDS = (1.0, 4.0)  # after a response that proves nothing
QUERY_SECONDS = 9.0  # below the lease of the loop, which is renewed before each query
MAX_PAGES_PER_DAY = 1 + MAX_LINES // PAGE_SIZE
HEADER = ("Time", "Quota", "Task ID", "Model", "Request ID", "Type")
State = GatewayLog.State


class _CutShort(Exception):
    """The run has to end. The next one asks for this day again."""


class _Failed(Exception):
    """`problem` is stored in the row, and told by the page."""

    def __init__(self, code: str, **values: Any) -> None:
        super().__init__(code)
        self.problem = {"code": code, **values}


def fetch(log: GatewayLog, should_continue: Callable[[], bool]) -> None:
    """Go on until the month is in the file, or the loop ends. Then the log is to be checked."""
    try:
        with closing(_client()) as client:
            is_done = _fetch_days(log, client, should_continue)
    except _Failed as failure:
        logger.warning("%s could not be fetched: %s", log, failure.problem["code"])
        log.advance(State.FAILED, problem=failure.problem, ended_at=timezone.now())
        log.file.delete(save=False)
        return
    if is_done and not log.done_lines:
        log.advance(State.DONE, ended_at=timezone.now())
        log.file.delete(save=False)
    elif is_done:
        mapping = ColumnMapping(*HEADER, unit=QUOTA, time_zone="UTC")
        log.advance(State.READING, mapping=mapping.as_json(), total_lines=log.done_lines)


def _client() -> AccountClient:
    if Team.objects.current().currency != "USD":
        raise _Failed("account-currency")
    try:
        key = AccountKey.objects.secret()
    except CannotDecrypt:
        raise _Failed("account-unreadable") from None
    if not key:
        raise _Failed("account-no-key")
    return AccountClient(Gateway(settings.ACCOUNT_URL, key, query_seconds=QUERY_SECONDS))


def _fetch_days(
    log: GatewayLog, client: AccountClient, should_continue: Callable[[], bool]
) -> bool:
    """Append the days that the file does not have yet. False if the run was cut short."""
    zone, now = Team.objects.current().zone, timezone.now()
    assert log.month
    start, end = months.span(log.month, zone)
    days = months.days_between(start, min(end, now), zone)
    path = Path(default_storage.path(str(log.file.name)))
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = log.fetched or {"days": 0, "bytes": 0, "lines": 0}
    for number, day in enumerate(days):
        if number < progress["days"] or day.replace(day=1) != log.month:
            continue
        since, until = months.day_span(day, zone)
        span = (int(since.timestamp()), int(until.timestamp()) - 1)
        try:
            rows = list(_day(client, day, span, should_continue))
        except _CutShort:
            return False
        size = _append(path, progress["bytes"], rows)
        lines = progress["lines"] + len(rows)
        if lines > MAX_LINES or size > MAX_BYTES:
            raise _Failed("lines")
        progress = {"days": number + 1, "bytes": size, "lines": lines}
        if not log.update(fetched=progress, done_lines=lines):
            return False  # canceled
    return True


def _append(path: Path, size: int, rows: list[LogRow]) -> int:
    """Write rows after the first `size` bytes, and return the new size."""
    with path.open("a+", encoding="utf-8", newline="") as file:
        file.truncate(size)
        writer = csv.writer(file)
        if not size:
            writer.writerow(HEADER)
        for row in rows:
            writer.writerow((row.at, row.quota, row.task_id, row.model, row.request_id, row.kind))
        file.flush()
        return file.tell()


def _day(
    client: AccountClient,
    day: date,
    span: tuple[int, int],
    should_continue: Callable[[], bool],
) -> Iterator[LogRow]:
    """Yield the rows of a day. Raises _Failed also where the gateway has sent only a part."""
    seen, before = 0, LogPage((), None)
    for number in range(1, MAX_PAGES_PER_DAY + 1):
        page = _page(client, span, number, should_continue)
        if not page.rows:
            break
        if page.rows == before.rows:  # it knows no pages, and has sent all, or its first rows
            if len(page.rows) == PAGE_SIZE:
                raise _Failed("account-part", day=day.isoformat())
            return
        yield from page.rows
        seen, before = seen + len(page.rows), page
        if len(page.rows) < PAGE_SIZE or seen == page.total:
            break
    if before.total is not None and seen < before.total:
        raise _Failed("account-part", day=day.isoformat())


def _page(
    client: AccountClient, span: tuple[int, int], number: int, should_continue: Callable[[], bool]
) -> LogPage:
    """Ask for a page, again after a response that proves nothing. Raises _Failed, _CutShort."""
    for wait in (*RETRY_SECONDS, None):
        if not should_continue():
            raise _CutShort
        try:
            return client.log_page(*span, number)
        except OnHold as error:
            code = "account-key" if error.reason == HoldReason.KEY else "account-refused"
            raise _Failed(code, text=str(error)) from None
        except RequestRefused as error:
            raise _Failed("account-refused", text=str(error)) from None
        except EngineError as error:
            if wait is None:
                code = "account-busy" if isinstance(error, SlowDown) else "account-away"
                raise _Failed(code, text=str(error)) from None
            time.sleep(wait)
    raise AssertionError("the last try returns or raises")

"""The lookup loop: searches the upstream for submits whose response was lost.

Sends no paid request. If the task is found, it is polled like any other. If it does not exist, the
generation fails without a charge. That needs repeated "not found" responses of an upstream that is
known to find our ids: new tasks are "not found" for a while, and some upstreams never find any.
"""

import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.utils import timezone

from generations.engines.base import EngineError, TaskEngine, TaskNotFound, Unanswered
from generations.models import (
    Generation,
    ReportSource,
    Submission,
    TaskTaken,
    UpstreamGate,
)

from .lease import LeasedLoop
from .upstream import Clients

logger = logging.getLogger(__name__)

LOOP_SECONDS = 30.0
TIMEOUT_SECONDS = 150  # includes the last calls and writes
ROW_LEASE_SECONDS = 90.0  # longer than reading a whole list
THREADS = 8
MAX_ROWS_PER_LIST = 500
RESULT_WAIT_SECONDS = 0.05
MAX_GAP_SECONDS = 1800.0
# How far the upstream's clock may differ from ours. Lists are read that much further back.
MAX_CLOCK_DIFFERENCE = timedelta(minutes=10)
KEY_IS_MISSING = Unanswered("the API key was erased or cannot be read")
NO_PROOF = Unanswered("not found, but the upstream may not know our ids at all")


@dataclass(frozen=True)
class Found:
    """The ids of the tasks with this external id, newest first. Several: charged twice."""

    task_ids: tuple[str, ...]


@dataclass(frozen=True)
class NotFound:
    """The upstream has no such task, and is known to find our ids."""


LookupResult = Found | NotFound | Exception
SentRow = tuple[Generation, Submission]
T = TypeVar("T")


def has_work() -> bool:
    """Whether lookups are due, and no Retry-After of the upstream is in effect."""
    due = Generation.objects.due_for_lookup()
    return due.exists() and due.not_sent_with(UpstreamGate.silent_keys()).exists()


def run(loop: LeasedLoop) -> None:
    """Look up due rows until the loop's time ends or none is left."""
    if loop.previous_holder_died:
        Generation.objects.reset_lookup_claims(ROW_LEASE_SECONDS)
    if not has_work():
        return
    with (
        closing(Clients()) as clients,
        ThreadPoolExecutor(THREADS, "lookup") as pool,
    ):
        batch = LookupBatch(clients, pool, loop)
        while loop.should_continue() and has_work():
            if not batch.process():
                return


@dataclass
class LookupBatch:
    """The lookups of one run: threads send the queries, the main thread writes to rows."""

    clients: Clients
    pool: ThreadPoolExecutor
    loop: LeasedLoop

    def process(self) -> bool:
        """Claim one batch of rows, look them up, and record the results. False: none was due."""
        uses_list = settings.UPSTREAM_LOOKUP == "list"
        limit = MAX_ROWS_PER_LIST if uses_list else THREADS - 1
        keys = UpstreamGate.silent_keys() | self.clients.without_client()
        claimed = Generation.objects.claim_lookups(limit, ROW_LEASE_SECONDS, keys)
        sent_with: dict[tuple[int | None, str], list[SentRow]] = {}
        for row in claimed:
            submission = row.submissions.get(attempt=row.attempt)
            sent_with.setdefault((submission.api_key_id, row.engine), []).append((row, submission))
        for (api_key, engine), sent in sent_with.items():
            self._look_up(api_key, engine, sent, uses_list=uses_list)
        if claimed:
            self.loop.wake_up("poll")
        return bool(claimed)

    def _look_up(
        self, api_key: int | None, engine: str, sent: list[SentRow], *, uses_list: bool
    ) -> None:
        """Look up rows of one engine and key: another account knows none of them."""
        found = self.clients.for_lookups(api_key, engine)
        used, client = found or (api_key, None)
        results: Sequence[LookupResult] = [KEY_IS_MISSING] * len(sent)
        if client is not None:
            look_up = self._look_up_in_list if uses_list else self._look_up_by_id
            results = look_up(client, used, sent)
        for (generation, submission), result in zip(sent, results, strict=True):
            if isinstance(result, NotFound) and (
                used != api_key or _may_be_elsewhere(generation, api_key)
            ):
                result = NO_PROOF
            try:
                _record(generation, submission, result)
            except Exception:
                logger.exception("Could not record the lookup result of %s", generation)
        errors = [result for result in results if isinstance(result, EngineError)]
        UpstreamGate.for_key(used, engine).report(*errors, source=ReportSource.LOOKUP)

    def _look_up_by_id(
        self, client: TaskEngine, api_key: int | None, sent: list[SentRow]
    ) -> list[LookupResult]:
        """Send one query for each row, and one for a task that exists.

        The latter shows whether the upstream finds our ids: some find none.
        """
        ids = [generation.external_id for generation, _submission in sent]
        existing = _last_accepted_ids(api_key, sent[0][0].engine)
        responses = self._query_all([partial(client.find, each) for each in [*ids, *existing]])
        finds_our_ids = any(isinstance(response, str) for response in responses)
        return [_result_of(response, finds_our_ids) for response in responses[: len(sent)]]

    def _look_up_in_list(
        self, client: TaskEngine, _api_key: int | None, sent: list[SentRow]
    ) -> list[LookupResult]:
        """Read one list for all rows. Without external ids in it, absence proves nothing."""
        oldest = min(submission.sent_at for _generation, submission in sent)
        (listing,) = self._query_all([partial(client.list_tasks, oldest - MAX_CLOCK_DIFFERENCE)])
        if isinstance(listing, Exception):
            return [listing] * len(sent)
        results: list[LookupResult] = []
        for generation, submission in sent:
            ids = listing.task_ids.get(generation.external_id)
            is_proven = listing.task_ids and listing.covers(
                submission.sent_at - MAX_CLOCK_DIFFERENCE
            )
            results.append(Found(ids) if ids else NotFound() if is_proven else NO_PROOF)
        return results

    def _query_all(self, queries: list[Callable[[], T]]) -> list[T | Exception]:
        """Run queries in threads, which do not touch the database, and keep the lease."""
        futures = [self.pool.submit(_result_or_error, query) for query in queries]
        pending = set(futures)
        while pending:
            _done, pending = wait(pending, RESULT_WAIT_SECONDS, FIRST_COMPLETED)
            self.loop.renew()
        return [future.result() for future in futures]


def _may_be_elsewhere(generation: Generation, api_key: int | None) -> bool:
    """Whether an earlier attempt with another key, perhaps of another account, is in doubt."""
    in_doubt = (Submission.Outcome.SENT, Submission.Outcome.UNANSWERED)
    others = generation.submissions.filter(outcome__in=in_doubt).exclude(api_key=api_key)
    return others.exists()


def _result_or_error(query: Callable[[], T]) -> T | Exception:
    try:
        return query()
    except Exception as error:
        return error


def _last_accepted_ids(api_key: int | None, engine: str) -> list[str]:
    """Return our id of the last request that was accepted with this key; empty if there is none."""
    accepted = Submission.objects.filter(
        outcome=Submission.Outcome.ACCEPTED,
        api_key=api_key,
        generation__upstream=settings.UPSTREAM_MODE,
        generation__engine=engine,
    )
    last = accepted.select_related("generation").order_by("-pk").first()
    return [last.generation.external_id] if last else []


def _result_of(response: str | Exception, finds_our_ids: bool) -> LookupResult:
    if isinstance(response, str):
        return Found((response,))
    if isinstance(response, TaskNotFound):
        return NotFound() if finds_our_ids else NO_PROOF
    return response


# --- recording results --------------------------------------------------------------------------


def _record(generation: Generation, submission: Submission, result: LookupResult) -> None:
    match result:
        case Found():
            _record_found(generation, submission, result.task_ids)
        case NotFound():
            _record_not_found(generation, submission)
        case EngineError():
            logger.info("Lookup of %s gave no result: %s", generation, result)
            _retry_later(generation)
        case _:
            logger.error("Lookup of %s failed", generation, exc_info=result)
            _retry_later(generation)


def _record_found(
    generation: Generation, submission: Submission, task_ids: tuple[str, ...]
) -> None:
    """Assign the first task that no other generation has. The others were charged too."""
    assigned = next((each for each in task_ids if _assign(generation, submission, each)), "")
    for task_id in task_ids:
        if task_id != assigned:
            logger.error("Charged but not used: Kling task %r, also for %s", task_id, generation)
    if not assigned:
        _retry_later(generation)  # does nothing if the row has changed meanwhile


def _assign(generation: Generation, submission: Submission, upstream_task_id: str) -> bool:
    try:
        if generation.mark_found(submission, upstream_task_id):
            return True
    except TaskTaken as taken:
        logger.error("%s: %s", generation, taken)
        return False
    # The late response of the submit may have been recorded meanwhile.
    return Generation.objects.filter(pk=generation.pk, upstream_task_id=upstream_task_id).exists()


def _record_not_found(generation: Generation, submission: Submission) -> None:
    """Schedule the next lookup of `LOOKUP_SECONDS`, or end the row after the last.

    Extra lookups that people ask for do not shorten the total time.
    """
    delays, not_found_count = settings.LOOKUP_SECONDS, generation.polls + 1
    unconfirmed_for = timezone.now() - generation.status_at
    left = delays[-1] - unconfirmed_for.total_seconds()
    if not_found_count < len(delays):
        left = delays[not_found_count] - delays[not_found_count - 1]
    elif left <= 0:
        generation.mark_not_found(submission)
        return
    generation.reschedule_lookup(
        left * random.uniform(1, 1.2), polls=not_found_count, poll_failures=0
    )


def _retry_later(generation: Generation) -> None:
    """Schedule another lookup after no usable response, with growing gaps. Never ends the row."""
    failures = generation.poll_failures + 1
    gap = min(settings.LOOKUP_SECONDS[0] * 2.0 ** min(failures, 12), MAX_GAP_SECONDS)
    generation.reschedule_lookup(
        gap * random.uniform(0.8, 1.2), polls=generation.polls, poll_failures=failures
    )

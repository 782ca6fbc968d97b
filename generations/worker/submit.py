"""The submit loop: sends the paid POST of each queued row, and records the response.

A row is `submitting`, durably, before its POST is sent.
"""

import logging
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from generations.encryption import CannotDecrypt
from generations.engines.base import (
    EngineError,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    Task,
    TaskNotFound,
)
from generations.models import (
    ApiKey,
    Generation,
    ReportSource,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
    is_dead,
)

from . import dispatch, submit_outcomes
from .dispatch import PreparedSubmission
from .lease import LeasedLoop
from .upstream import Clients

logger = logging.getLogger(__name__)

# Long, so that few runs wait for their last responses at a time; these may take a whole deadline.
LOOP_SECONDS = 180.0
TIMEOUT_SECONDS = int(LOOP_SECONDS + settings.SUBMIT_DEADLINE_SECONDS + 30)
RESPONSE_WAIT_SECONDS = 0.1
BATCH_GAP_SECONDS = 0.2  # with a longer gap between submits, rows are claimed one at a time
OPENS_SOON_SECONDS = 10.0
SLOW_SECONDS = 3.0  # most POSTs are answered sooner
MAX_SLOW_POSTS = 4  # of one member
UNKNOWN_TASK_ID = "klingweb-connection-test"  # a query for it costs nothing


def has_work() -> bool:
    """Whether rows can be submitted, or a hold can be tested, now or soon.

    After a longer wait the heartbeat starts the loop.
    """
    return dispatch.has_candidates(OPENS_SOON_SECONDS) or _has_hold_to_test()


def _has_hold_to_test() -> bool:
    """Whether a query may end a hold now or soon, so that no request is needed for that."""
    soon = timezone.now() + timedelta(seconds=OPENS_SOON_SECONDS)
    return any(
        gate.is_ended_by_queries and gate.can_submit(soon) for gate in UpstreamGate.in_turn()
    )


def run(loop: LeasedLoop) -> None:
    """Submit queued rows until the loop's time or the queue ends; then wait for the responses.

    The last responses may take a whole deadline. The lease is released for them, so that the next
    run starts at once.
    """
    with (
        closing(Clients()) as clients,
        ThreadPoolExecutor(2 * settings.SUBMIT_THREADS, "submit") as pool,
    ):
        for gate in _gates_to_query():
            _query(gate, clients)
        posts, is_tested = Posts(clients, pool), True
        try:
            while loop.should_continue() and (posts.pending or has_work()):
                must_query = bool(_gates_to_query())
                is_tested = is_tested and must_query
                if must_query and not is_tested:
                    break
                posts.start()
                loop.renew()
                if posts.record_outcomes():
                    loop.wake_up("poll")
            if posts.pending and loop.is_held:
                loop.release_early()
                loop.wake_up("submit")
        finally:
            # Also after an error (no database, a task timeout): each POST may have been charged,
            # so its response is still recorded.
            had_posts = bool(posts.pending)
            while posts.pending:
                posts.record_outcomes()
    if had_posts:
        loop.wake_up("poll")


def _gates_to_query() -> list[UpstreamGate]:
    """The gates whose hold should be tested with a query before a POST is risked."""
    now = timezone.now()
    return [
        gate
        for gate in UpstreamGate.in_turn()
        if gate.hold_reason in gate.REASONS_TESTED_BY_QUERIES and gate.can_submit(now)
    ]


def _query(gate: UpstreamGate, clients: Clients) -> None:
    """Test a hold with a query, which can show the problem and costs nothing.

    If it fails, the next test is later. With an empty queue a good response ends a hold that a
    query has started; otherwise one row tests it.
    """
    try:
        clients.for_submit(gate.api_key_id).task(UNKNOWN_TASK_ID)
    except TaskNotFound:
        pass
    except (EngineError, CannotDecrypt) as error:
        logger.warning("The hold continues: %s", error)
        gate.probe()
        return
    if not dispatch.has_candidates():
        gate.report(None, source=ReportSource.POLL)


@dataclass(frozen=True)
class Post:
    """A POST in progress."""

    item: PreparedSubmission
    started_at: float  # on the monotonic clock

    @property
    def owner_id(self) -> int:
        return self.item.generation.owner_id

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.started_at > SLOW_SECONDS


class Posts:
    """The POSTs of one run: started and recorded here, sent by threads.

    Their number starts small and doubles with each readable response: with a wrong URL every POST
    may be charged, and none is answered. While the upstream answers others, a slow POST takes no
    room from them, and a member has only a few slow ones.
    """

    def __init__(self, clients: Clients, pool: ThreadPoolExecutor) -> None:
        self.clients, self.pool = clients, pool
        self.pending: dict[Future[Task], Post] = {}
        self.gate: int | None = None  # the last one used
        self.max_fresh = 1

    @property
    def _gate(self) -> UpstreamGate:
        return UpstreamGate.for_engine()

    def start(self) -> None:
        """Claim rows and send them in threads."""
        gate = self._gate
        if gate.pk != self.gate:  # another key: begin anew
            self.gate = gate.pk
            self.max_fresh = max(settings.SUBMIT_THREADS // 2, 1) if gate.is_answering else 1
        free, gap = self._free(gate), gate.submit_gap_seconds
        if gap > BATCH_GAP_SECONDS:
            # One row at a time: those of a batch would wait as claimed rows, past their deadline,
            # and unaware of a pause.
            free = 0 if dispatch.was_sent_within(gap) else min(free, 1)
        readable = [gate for gate in UpstreamGate.in_turn() if self._can_read(gate)]
        claimed = dispatch.claim_next(free, except_owners=self._waiting_owners(), gates=readable)
        handled = 0
        try:
            for item in claimed:
                is_usable = not handled or ApiKey.objects.is_usable(item.submission.api_key_id)
                handled += 1  # before the POST: from here on it may have been sent
                if is_usable:
                    self._post(item)
                    time.sleep(min(gap, BATCH_GAP_SECONDS))
                else:
                    submit_outcomes.take_back(item, TransitionReason.KEY_REPLACED)
        except Exception:
            for item in claimed[handled:]:  # certainly not sent
                submit_outcomes.take_back(item, TransitionReason.NOT_REACHED)
            raise

    def _post(self, item: PreparedSubmission) -> None:
        post = Post(item, time.monotonic())
        client = self.clients.for_submit(item.submission.api_key_id)
        self.pending[self.pool.submit(client.submit, item.request)] = post

    def _can_read(self, gate: UpstreamGate) -> bool:
        """Whether the key is readable, before a row is claimed for it."""
        try:
            self.clients.for_submit(gate.api_key_id)
        except CannotDecrypt:
            return False
        return True

    def _free(self, gate: UpstreamGate) -> int:
        slow = sum(post.is_slow for post in self.pending.values())
        counts_slow = not (gate.is_answering or gate.is_held)
        fresh = len(self.pending) - (0 if counts_slow else slow)
        max_fresh = 1 if gate.is_held else self.max_fresh  # tests are sent one by one
        return min(max_fresh - fresh, 2 * settings.SUBMIT_THREADS - len(self.pending))

    def _waiting_owners(self) -> set[int]:
        """Members who wait for their own POSTs: some are slow, or an earlier one is unanswered."""
        pending = {post.owner_id for post in self.pending.values()}
        slow = Counter(post.owner_id for post in self.pending.values() if post.is_slow)
        too_slow = {owner for owner, count in slow.items() if count >= MAX_SLOW_POSTS}
        return too_slow | (pending & dispatch.members_in_doubt())

    def record_outcomes(self) -> int:
        """Wait a moment for responses and record them; return how many.

        A response that cannot be saved is retried until its deadline. Then the sweep marks the row
        unconfirmed, and it is never submitted again automatically.
        """
        if not self.pending:
            time.sleep(RESPONSE_WAIT_SECONDS)
            return 0
        done, _pending = wait(self.pending, RESPONSE_WAIT_SECONDS, FIRST_COMPLETED)
        recorded = 0
        for future in done:
            item = self.pending[future].item
            try:
                error = submit_outcomes.record_outcome(item, future)
            except Exception:
                submit_outcomes.log_unsaved(item, future)
                if timezone.now() < item.submission.deadline_at:
                    time.sleep(RESPONSE_WAIT_SECONDS)
                    continue
            else:
                recorded += 1
                self._adapt(error)
            del self.pending[future]
        return recorded

    def _adapt(self, error: EngineError | None) -> None:
        """Change how many POSTs may be pending after this outcome."""
        match error:
            case None | RequestRefused():
                self.max_fresh = min(self.max_fresh * 2, settings.SUBMIT_THREADS)
            case NotSent() | SlowDown() | OnHold():
                pass
            case _ if self._gate.is_answering:
                self.max_fresh = max(self.max_fresh // 2, 1)
            case _:
                self.max_fresh = 1


def sweep() -> None:
    """T6: mark rows unconfirmed whose sender is dead or whose deadline has passed.

    A response that arrives later still counts. Queued rows of people who may not spend any more
    are canceled (T14).
    """
    UpstreamGate.for_engine()  # pages create none, but show the hold without a usable key
    for gate in UpstreamGate.of_engine():
        gate.clamp_to_clock()
    ApiKey.objects.read_again()
    Generation.objects.queued_without_permission().cancel_queued(by=None)
    sent = Submission.objects.filter(
        outcome=Submission.Outcome.SENT, generation__status=Status.SUBMITTING
    ).select_related("generation")
    now = timezone.now()
    for submission in sent:
        if submission.deadline_at < now or is_dead(submission.holder):
            submission.generation.mark_unconfirmed(submission, TransitionReason.WORKER_DIED)

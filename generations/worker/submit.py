"""The submit loop: sends the paid POST of each queued row, and records the response.

A row is `submitting`, durably, before its POST is sent.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing
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
)
from generations.engines.registry import ENGINES, offer_for
from generations.models import (
    DEFAULT_ENGINE,
    ApiKey,
    Generation,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
    is_dead,
    known_keys,
)

from . import dispatch, received, submit_outcomes
from .dispatch import PreparedSubmission
from .hold_tests import HoldTests
from .lease import LeasedLoop
from .submit_outcomes import Answer
from .upstream import Clients, submit_seconds

logger = logging.getLogger(__name__)

# Long, so that few runs wait for their last responses at a time; these may take a whole deadline.
LOOP_SECONDS = 180.0
TIMEOUT_SECONDS = int(LOOP_SECONDS + max(map(submit_seconds, ENGINES)) + 30)
RESPONSE_WAIT_SECONDS = 0.1
BATCH_GAP_SECONDS = 0.2  # with a longer gap between submits, rows are claimed one at a time
OPENS_SOON_SECONDS = 10.0
SLOW_SECONDS = 3.0  # most POSTs are answered sooner
FIRST_WITHOUT_TASKS = 4  # POSTs at once, before the first answer
MAX_SLOW_POSTS = 4  # of one member


def has_work() -> bool:
    """Whether rows can be submitted, or a hold can be tested, now or soon.

    After a longer wait the heartbeat starts the loop.
    """
    return any(_has_work(gates) for gates in _gates_in_turn().values())


def _gates_in_turn() -> dict[str, list[UpstreamGate]]:
    """The gates to submit through, by engine: of the default, and of those with queued rows."""
    engines = {DEFAULT_ENGINE, *Generation.objects.queued_engines()}
    return {engine: UpstreamGate.in_turn(engine) for engine in ENGINES if engine in engines}


def _has_work(gates: list[UpstreamGate]) -> bool:
    return dispatch.has_candidates(OPENS_SOON_SECONDS, gates) or _has_hold_to_test(gates)


def _has_hold_to_test(gates: list[UpstreamGate]) -> bool:
    """Whether a query may end a hold now or soon, so that no request is needed for that."""
    soon = timezone.now() + timedelta(seconds=OPENS_SOON_SECONDS)
    return any(gate.is_ended_by_queries and gate.can_submit(soon) for gate in gates)


def run(loop: LeasedLoop) -> None:
    """Submit queued rows until the loop's time or the queue ends; then wait for the responses.

    The last responses may take a whole deadline. The lease is released for them, so that the next
    run starts at once.
    """
    with closing(Clients()) as clients, ExitStack() as pools:
        all_posts = {
            engine: Posts(
                engine,
                clients,
                pools.enter_context(
                    ThreadPoolExecutor(2 * settings.SUBMIT_THREADS, f"submit-{engine}")
                ),
            )
            for engine in ENGINES
        }
        holds = HoldTests(clients, pools.enter_context(ThreadPoolExecutor(4, "test-hold")))
        posts = list(all_posts.values())
        try:
            while loop.should_continue():
                in_turn = _gates_in_turn()  # read once a round; a claim looks again
                has_work = any(map(_has_work, in_turn.values()))
                if not (has_work or _pending(posts) or holds.pending):
                    break
                for engine, gates in in_turn.items():
                    all_posts[engine].start(holds.passed(gates))
                loop.renew()
                _wake_up(loop, record_outcomes(posts))
            if _pending(posts) and loop.is_held:
                loop.release_early()
                loop.wake_up("submit")
        finally:
            # Also after an error (no database, a task timeout): each POST may have been charged,
            # so its response is still recorded.
            recorded: set[str] = set()
            while _pending(posts):
                recorded |= record_outcomes(posts)
    _wake_up(loop, recorded)


def _pending(posts: "Iterable[Posts]") -> "list[Future[Answer]]":
    return [future for each in posts for future in each.pending]


def _wake_up(loop: LeasedLoop, engines: set[str]) -> None:
    """Start the loops that go on with what these engines have answered."""
    for name in {"poll" if ENGINES[engine].has_tasks else "fetch" for engine in engines}:
        loop.wake_up(name)


def record_outcomes(posts: "Sequence[Posts]") -> set[str]:
    """Wait a moment for responses and record them; return the engines that have answered."""
    pending = _pending(posts)
    if not pending:
        time.sleep(RESPONSE_WAIT_SECONDS)
        return set()
    done, _pending_still = wait(pending, RESPONSE_WAIT_SECONDS, FIRST_COMPLETED)
    return {each.engine for each in posts if each.record_outcomes(done & each.pending.keys())}


@dataclass(frozen=True)
class Post:
    """A POST in progress."""

    item: PreparedSubmission
    started_at: float  # on the monotonic clock
    slow_after: float  # seconds

    @property
    def owner_id(self) -> int:
        return self.item.generation.owner_id

    @property
    def is_slow(self) -> bool:
        return time.monotonic() - self.started_at > self.slow_after


class Posts:
    """The POSTs of one run to one engine: started and recorded here, sent by threads.

    Their number starts small and doubles with each readable response: with a wrong URL every POST
    may be charged, and none is answered. While the upstream answers others, a slow POST takes no
    room from them, and a member has only a few slow ones.
    """

    def __init__(self, engine: str, clients: Clients, pool: ThreadPoolExecutor) -> None:
        self.engine, self.clients, self.pool = engine, clients, pool
        self.pending: dict[Future[Answer], Post] = {}
        self.gate: int | None = None  # the last one used
        # An engine without tasks answers late, so the first answer is not waited for.
        self.min_fresh = 1 if ENGINES[engine].has_tasks else FIRST_WITHOUT_TASKS
        self.max_fresh = self.min_fresh

    @property
    def _gate(self) -> UpstreamGate:
        return UpstreamGate.for_engine(self.engine)

    def start(self, gates: list[UpstreamGate]) -> None:
        """Claim rows through these gates, those in turn, and send them in threads."""
        if not gates:
            return
        gate = UpstreamGate.preferred(gates)
        if gate.pk != self.gate:  # another key: begin anew
            self.gate = gate.pk
            is_known = gate.is_answering
            self.max_fresh = max(settings.SUBMIT_THREADS // 2, 1) if is_known else self.min_fresh
        free, gap = self._free(gate), gate.submit_gap_seconds
        if gap > BATCH_GAP_SECONDS:
            # One row at a time: those of a batch would wait as claimed rows, past their deadline,
            # and unaware of a pause.
            free = 0 if dispatch.was_sent_within(gap, self.engine) else min(free, 1)
        readable = [gate for gate in gates if self._can_read(gate)]
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
        generation = item.generation
        slow_after = SLOW_SECONDS
        if not ENGINES[self.engine].has_tasks:
            slow_after = 2.0 * offer_for(self.engine, generation.model).usual_seconds[1]
        client = self.clients.for_submit(item.submission.api_key_id, self.engine)
        future = self.pool.submit(received.send, client, item.request)
        self.pending[future] = Post(item, time.monotonic(), slow_after)

    def _can_read(self, gate: UpstreamGate) -> bool:
        """Whether the key is readable, before a row is claimed for it."""
        try:
            self.clients.for_submit(gate.api_key_id, self.engine)
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

    def record_outcomes(self, done: "Iterable[Future[Answer]]") -> int:
        """Record these responses; return how many.

        A response that cannot be saved is retried until its deadline. Then the sweep marks the row
        unconfirmed, and it is never submitted again automatically.
        """
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
                received.give_up(item.request.answer_file)
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
                self.max_fresh = self.min_fresh


def sweep() -> None:
    """T6: mark rows unconfirmed whose sender is dead or whose deadline has passed.

    A response that arrives later still counts. Queued rows of people who may not spend any more
    are canceled (T14).
    """
    UpstreamGate.for_engine()  # pages create none, but show the hold without a usable key
    for gate in UpstreamGate.of_all_engines():
        gate.clamp_to_clock()
    ApiKey.objects.read_again()
    known_keys.refresh()
    Generation.objects.queued_without_permission().cancel_queued(by=None)
    received.recover()
    sent = Submission.objects.filter(
        outcome=Submission.Outcome.SENT, generation__status=Status.SUBMITTING
    ).select_related("generation")
    now = timezone.now()
    for submission in sent:
        if submission.deadline_at < now or is_dead(submission.holder):
            submission.generation.mark_unconfirmed(submission, TransitionReason.WORKER_DIED)

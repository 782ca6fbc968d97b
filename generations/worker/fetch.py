"""The fetch loop: downloads, checks and stores pictures. The last picture finishes its row.

One run with threads, not a task per picture: slow file hosts would block every worker process
(docs/decisions/0002). Only the main thread uses the database.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from generations.engines.base import EngineError
from generations.engines.registry import ENGINES
from generations.models import Generation, Picture, ReportSource, Status, UpstreamGate

from . import imaging, store
from .download import Downloader, DownloadFailed, Transfer, UrlExpired
from .fetch_shares import Shares, max_threads
from .lease import LeasedLoop

logger = logging.getLogger(__name__)

LOOP_SECONDS = 100.0
DRAIN_SECONDS = 200  # a download, a query for a new URL, and a second download
TIMEOUT_SECONDS = int(LOOP_SECONDS) + DRAIN_SECONDS
# Short, and renewed while the download lasts: so the pictures of a killed process are due soon.
ROW_LEASE_SECONDS = 10.0
RENEW_SECONDS = 2.5
RESULT_WAIT_SECONDS = 0.1
DATABASE_RETRY_SECONDS = 1.0
PROCESS_THREADS = 2  # decoding needs a whole core and up to half a gigabyte
INTERNAL_ERROR_RETRY_SECONDS = 30.0  # after a full disk or a bug; does not count as a try
MAX_CLAIMS = 20  # high, because workers are also killed for other reasons

Step = Callable[[Transfer], Any]


def has_work() -> bool:
    return Picture.objects.filter(next_try_at__lte=timezone.now()).exists()


def run(loop: LeasedLoop) -> None:
    """Download due pictures until the loop's time ends or none is left.

    Slow downloads continue after that. The lease is released for them, so that the next run starts
    at once.
    """
    gives_up_at = time.monotonic() + TIMEOUT_SECONDS - DATABASE_RETRY_SECONDS
    Picture.objects.release_dead_claims()
    with (
        closing(Downloader(max_threads())) as downloader,
        ThreadPoolExecutor(max_threads(), "fetch") as network,
        ThreadPoolExecutor(PROCESS_THREADS, "process") as processing,
    ):
        transfers = Transfers(downloader, network, processing)
        while True:
            try:
                if loop.should_continue():
                    transfers.start()
                elif transfers.pending and loop.is_held:
                    loop.release_early()
                    loop.wake_up("fetch")
                if not transfers.pending:
                    return
                loop.renew()
                transfers.renew()
                transfers.advance()
            except (OperationalError, InterfaceError):
                # What has been downloaded is written when the database is back.
                if connection.in_atomic_block or time.monotonic() > gives_up_at:
                    raise
                logger.exception("Downloads wait for the database")
                connection.close()
                time.sleep(DATABASE_RETRY_SECONDS)


class Transfers:
    """The pictures of one run on their way: download, perhaps a query for a new URL, processing."""

    def __init__(
        self, downloader: Downloader, network: ThreadPoolExecutor, processing: ThreadPoolExecutor
    ) -> None:
        self.downloader, self.network, self.processing = downloader, network, processing
        self.pending: dict[int, Transfer] = {}  # by key of the picture
        self.calls: dict[Future[Any], tuple[Transfer, Step]] = {}
        self.downloaded: list[Transfer] = []  # wait for a thread to be processed
        self.processed_at: defaultdict[int, float] = defaultdict(float)  # by owner
        self.renew_at = time.monotonic() + RENEW_SECONDS

    def start(self) -> None:
        """Claim due pictures and download them in threads."""
        free = max_threads() - len(self.pending)
        if free <= 0:
            return
        due = Picture.objects.exclude(pk__in=self.pending).due_by_turn(free)
        chosen = Shares(self.pending.values()).choose(due)
        if not chosen:
            return
        for picture in Picture.objects.claim(chosen, ROW_LEASE_SECONDS):
            if picture.claims > MAX_CLAIMS:
                _lose(picture, "every download was interrupted")
                continue
            transfer = self.pending[picture.pk] = Transfer(picture)
            self._call(transfer, self.downloader.download)

    def renew(self) -> None:
        """Renew the row leases when due."""
        if time.monotonic() >= self.renew_at:
            Picture.objects.renew_claims(self.pending, ROW_LEASE_SECONDS)
            self.renew_at = time.monotonic() + RENEW_SECONDS

    def advance(self) -> None:
        """Wait a moment for results; record them, or start what comes next."""
        self._process_next()
        done, _pending = wait(self.calls, RESULT_WAIT_SECONDS, FIRST_COMPLETED)
        for future in done:
            transfer, step = self.calls[future]
            try:
                is_over = self._handle(transfer, step, future)
            except (OperationalError, InterfaceError):
                raise  # handled again when the database is back
            except Exception as error:
                logger.exception("Download of %s failed", transfer.picture)
                reason = f"internal error: {type(error).__name__}"
                transfer.picture.try_later(INTERNAL_ERROR_RETRY_SECONDS, reason, is_a_try=False)
                is_over = True
            del self.calls[future]
            if is_over:
                transfer.close()
                del self.pending[transfer.picture.pk]

    def _call(self, transfer: Transfer, step: Step) -> None:
        transfer.start_call()
        self.calls[self.network.submit(step, transfer)] = transfer, step

    def _process_next(self) -> None:
        """Process downloaded pictures: few at once, and people take turns."""
        processing = sum(step is _process for _transfer, step in self.calls.values())
        for _ in range(min(PROCESS_THREADS - processing, len(self.downloaded))):
            transfer = min(self.downloaded, key=lambda one: self.processed_at[one.owner_id])
            self.downloaded.remove(transfer)
            self.processed_at[transfer.owner_id] = time.monotonic()
            self.calls[self.processing.submit(_process, transfer)] = transfer, _process

    def _handle(self, transfer: Transfer, step: Step, call: "Future[Any]") -> bool:
        """Record the result of a call or start the next one. Return whether it was the last."""
        transfer.end_call()
        try:
            result = call.result()
        except UrlExpired as error:
            if transfer.has_new_url:
                _retry_or_lose(transfer.picture, error)
                return True
            return self._query_new_url(transfer, error)
        except DownloadFailed as error:
            _retry_or_lose(transfer.picture, error)
            return True
        except EngineError as error:
            _record_query(transfer)
            _retry_or_wait(transfer, DownloadFailed(f"no new URL: {error.message}"))
            return True
        if step is _process:
            _record_stored(transfer.picture, result)
            return True
        if step == self.downloader.query_new_url:
            _record_query(transfer)
            transfer.use_new_url(result)
            self._call(transfer, self.downloader.download)
        else:
            self.downloaded.append(transfer)
        return False

    def _query_new_url(self, transfer: Transfer, error: UrlExpired) -> bool:
        """Ask the upstream for a new URL, unless a Retry-After is in effect."""
        generation = transfer.picture.generation
        if not ENGINES[generation.engine].has_tasks:
            _retry_or_lose(transfer.picture, error)
            return True
        gate = UpstreamGate.for_key(generation.api_key_id, generation.engine)
        if gate.is_silent:
            _wait_for_silence(transfer.picture, gate, error)
            return True
        if generation.upstream == settings.UPSTREAM_MODE:
            transfer.queries = self.downloader.clients.for_queries(
                generation.api_key_id, generation.engine
            )
            if transfer.queries is None:  # until someone mends that
                reason = "no new URL: the API key that sent it is gone or cannot be read"
                if generation.api_key and generation.api_key.is_erased:
                    _retry_or_lose(transfer.picture, DownloadFailed(reason))
                else:
                    transfer.picture.try_later(INTERNAL_ERROR_RETRY_SECONDS, reason, is_a_try=False)
                return True
        self._call(transfer, self.downloader.query_new_url)
        return False


def _process(transfer: Transfer) -> dict[str, Any]:
    """Check and store a downloaded picture, in a thread; return the columns of its row."""
    assert transfer.body
    transfer.body.seek(0)
    try:
        processed = imaging.process(transfer.body.read())
    except imaging.InvalidImage as error:
        raise DownloadFailed(str(error)) from error
    urls = {"upstream_url": transfer.picture.upstream_url, "received_file": ""}
    return store.save(processed) | urls


# --- results ------------------------------------------------------------------------------------


def _record_stored(picture: Picture, columns: dict[str, Any]) -> None:
    """Record a stored picture, and finish its row if it was the last one."""
    with transaction.atomic():
        is_stored = picture.mark_stored(**columns)
        picture.generation.finish_if_complete()
    name = picture.received_file.name
    # A picture that was lost meanwhile can be asked for again, and still names it.
    if name and not Picture.objects.filter(pk=picture.pk, received_file=name).exists():
        default_storage.delete(name)
    # If the database failed after a first commit, the files are those of the row.
    if not is_stored and not Picture.objects.filter(pk=picture.pk, file=columns["file"]).exists():
        store.discard(columns)


def _retry_or_lose(picture: Picture, error: DownloadFailed) -> None:
    delays = settings.FETCH_RETRY_SECONDS
    if error.is_final or picture.tries >= len(delays):
        _lose(picture, str(error))
    else:
        picture.try_later(delays[picture.tries], str(error))


def _lose(picture: Picture, reason: str) -> None:
    logger.warning("Download of %s failed: %s", picture, reason)
    with transaction.atomic():
        picture.mark_lost(reason)
        picture.generation.finish_if_complete()


def _record_query(transfer: Transfer) -> None:
    """Tell the gate of each key that was used."""
    engine = transfer.picture.generation.engine
    for key, error in transfer.reports:
        UpstreamGate.for_key(key, engine).report(error, source=ReportSource.FETCH)


def _retry_or_wait(transfer: Transfer, error: DownloadFailed) -> None:
    """A refusal that silences a whole key does not count as a try of this picture."""
    engine = transfer.picture.generation.engine
    gates = [UpstreamGate.for_key(key, engine) for key, _error in transfer.reports]
    silent = [gate for gate in gates if gate.is_silent]
    if silent:
        _wait_for_silence(transfer.picture, silent[-1], error)
    else:
        _retry_or_lose(transfer.picture, error)


def _wait_for_silence(picture: Picture, gate: UpstreamGate, error: DownloadFailed) -> None:
    assert gate.silent_until
    seconds = (gate.silent_until - timezone.now()).total_seconds()
    picture.try_later(max(seconds, 0), str(error), is_a_try=False)


def sweep() -> None:
    """Make pictures of dead processes due, and finish rows that a killed worker left complete.

    Also makes pictures due that a clock change has moved too far into the future.
    """
    Picture.objects.release_dead_claims()
    now = timezone.now()
    retry = timedelta(seconds=max(settings.FETCH_RETRY_SECONDS, default=0))
    longest = max(retry, UpstreamGate.MAX_SILENCE)
    lease = timedelta(seconds=2 * ROW_LEASE_SECONDS)
    far = Q(claimed_by="", next_try_at__gt=now + longest)
    far |= ~Q(claimed_by="") & Q(next_try_at__gt=now + lease)
    Picture.objects.filter(far).update(next_try_at=now)
    wanted = Picture.objects.filter(state=Picture.State.WANTED, generation=OuterRef("pk"))
    for generation in Generation.objects.filter(~Exists(wanted), status=Status.FETCHING):
        generation.finish_if_complete()

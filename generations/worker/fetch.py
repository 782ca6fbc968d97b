"""The fetch loop: downloads, checks and stores pictures. The last picture finishes its row.

One run with threads, not a task per picture: slow file hosts would block every worker process
(docs/decisions/0002).
"""

import logging
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests  # noqa: TID251
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from generations.engines import http_client
from generations.engines.base import EngineError
from generations.engines.deadline import Deadline
from generations.models import DEFAULT_ENGINE, Generation, Picture, Status

from . import imaging, store
from .lease import LeasedLoop
from .upstream import make_client

logger = logging.getLogger(__name__)

LOOP_SECONDS = 100.0
DRAIN_SECONDS = 200  # a download, a query for a new URL, and a second download
TIMEOUT_SECONDS = int(LOOP_SECONDS) + DRAIN_SECONDS
ROW_LEASE_SECONDS = 200.0
RESULT_WAIT_SECONDS = 0.1
DOWNLOAD_SECONDS = 60.0
MAX_BYTES = 60 * 1024 * 1024
INTERNAL_ERROR_RETRY_SECONDS = 30.0  # after a full disk or a bug; does not count as a try
MAX_CLAIMS = 20  # high, because workers are also killed for other reasons
EXPIRED_STATUSES = {401, 403, 404, 410}

Columns = dict[str, Any]
PendingDownloads = dict[Future[Columns], Picture]


class DownloadFailed(Exception):
    """`is_final`: a retry cannot help. `is_expired`: a new URL may help."""

    def __init__(self, reason: str, *, is_final: bool = False, is_expired: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final
        self.is_expired = is_expired


def has_work() -> bool:
    return Picture.objects.filter(next_try_at__lte=timezone.now()).exists()


def run(loop: LeasedLoop) -> None:
    """Download due pictures until the loop's time ends or none is left.

    Slow downloads continue after that. The lease is released for them, so that the next run starts
    at once.
    """
    downloads: PendingDownloads = {}
    if loop.previous_holder_died:
        Picture.objects.reset_claims()
    with (
        closing(Fetcher()) as fetcher,
        ThreadPoolExecutor(settings.FETCH_THREADS, "fetch") as pool,
    ):
        while True:
            free_threads = settings.FETCH_THREADS - len(downloads)
            if loop.should_continue():
                for picture in Picture.objects.claim_wanted(free_threads, ROW_LEASE_SECONDS):
                    if picture.claims > MAX_CLAIMS:
                        _retry_or_lose(picture, "every download was interrupted", is_final=True)
                    else:
                        downloads[pool.submit(fetcher.fetch, picture)] = picture
            elif downloads and loop.is_held:
                loop.release_early()
                loop.wake_up("fetch")
            if not downloads:
                return
            loop.renew()
            done, _pending = wait(downloads, RESULT_WAIT_SECONDS, FIRST_COMPLETED)
            for download in done:
                _record_result(downloads.pop(download), download)


def _record_result(picture: Picture, download: "Future[Columns]") -> None:
    """Record one download, and finish its row if it was the last picture."""
    try:
        columns = download.result()
    except DownloadFailed as error:
        _retry_or_lose(picture, str(error), is_final=error.is_final)
    except Exception as error:
        logger.exception("Download of %s failed", picture)
        picture.try_later(
            INTERNAL_ERROR_RETRY_SECONDS, f"internal error: {type(error).__name__}", is_a_try=False
        )
    else:
        with transaction.atomic():
            is_stored = picture.mark_stored(**columns)
            picture.generation.finish_if_complete()
        if not is_stored:
            store.discard(columns)


def _retry_or_lose(picture: Picture, reason: str, *, is_final: bool) -> None:
    delays = settings.FETCH_RETRY_SECONDS
    with transaction.atomic():
        if is_final or picture.tries >= len(delays):
            logger.warning("Download of %s failed: %s", picture, reason)
            picture.mark_lost(reason)
            picture.generation.finish_if_complete()
        else:
            picture.try_later(delays[picture.tries], reason)


def sweep() -> None:
    """Finish rows that a killed worker left without wanted pictures.

    Also makes pictures due that a clock change has moved too far into the future.
    """
    now = timezone.now()
    longest = timedelta(seconds=ROW_LEASE_SECONDS + max(settings.FETCH_RETRY_SECONDS, default=0))
    Picture.objects.filter(next_try_at__gt=now + longest).update(next_try_at=now)
    wanted = Picture.objects.filter(state=Picture.State.WANTED, generation=OuterRef("pk"))
    for generation in Generation.objects.filter(~Exists(wanted), status=Status.FETCHING):
        generation.finish_if_complete()


class Fetcher:
    """Downloads pictures in threads: a guarded session, and a client for new URLs. No database."""

    def __init__(self) -> None:
        self.client = make_client(pool_size=settings.FETCH_THREADS)
        # Only the simulator's own address may be plain http or local.
        origin = settings.UPSTREAM_URL if _is_local(settings.UPSTREAM_URL) else ""
        self.session = http_client.session(
            pool_size=settings.FETCH_THREADS, guarded=True, allow_origin=origin
        )

    def close(self) -> None:
        self.client.close()
        self.session.close()

    def fetch(self, picture: Picture) -> Columns:
        """Download, check and store one picture; return the columns of its row."""
        url = picture.upstream_url
        try:
            original = self._download(url)
        except DownloadFailed as error:
            if not error.is_expired:
                raise
            url = self._query_new_url(picture)
            original = self._download(url, is_new=True)
        try:
            processed = imaging.process(original)
        except imaging.InvalidImage as error:
            raise DownloadFailed(str(error)) from error
        return {**store.save(processed), "upstream_url": url}

    def _download(self, url: str, *, is_new: bool = False) -> bytes:
        """Download without key, cookies or proxy, with a check of each redirect.

        A file that is missing at a new URL is missing for good.
        """
        try:
            with (
                Deadline(DOWNLOAD_SECONDS),
                self.session.get(
                    url, stream=True, allow_redirects=True, timeout=(10, 30)
                ) as response,
            ):
                if response.status_code != requests.codes.ok:
                    is_gone = response.status_code in EXPIRED_STATUSES
                    raise DownloadFailed(
                        f"the file host answered {response.status_code}",
                        is_final=is_gone and is_new,
                        is_expired=is_gone and not is_new,
                    )
                body = http_client.read_body(response, MAX_BYTES)
        except http_client.AddressForbidden as error:
            raise DownloadFailed(f"refused: {error}", is_final=True) from error
        except http_client.BodyTooLarge as error:
            raise DownloadFailed(str(error), is_final=True) from error
        except requests.exceptions.RequestException as error:
            raise DownloadFailed(f"the file host failed: {type(error).__name__}") from error
        return body

    def _query_new_url(self, picture: Picture) -> str:
        """Ask the upstream for the picture's current URL: the stored one may have expired."""
        generation = picture.generation
        if generation.engine != DEFAULT_ENGINE:
            raise DownloadFailed(f"no new URL: no client for {generation.engine}")
        try:
            urls = self.client.task(generation.upstream_task_id).image_urls
        except EngineError as error:
            raise DownloadFailed(f"no new URL: {error.message}") from error
        if picture.index >= len(urls):
            raise DownloadFailed("the upstream no longer lists this image")
        return urls[picture.index]


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}

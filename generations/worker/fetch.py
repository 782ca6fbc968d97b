"""The files: downloads what the upstream made, picture by picture, and ends the row with the last.

It runs as one shift with threads and not as a task a picture: a worker is always left for the next
kick, and slow file hosts hold nobody up (docs/decisions/0002).
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
from generations.models import Generation, Picture, Status

from . import imaging, store, upstream
from .lease import LeasedLoop

logger = logging.getLogger(__name__)

LOOP_SECONDS = 100.0
DRAIN_SECONDS = 200  # a download, a query for a fresh address and a second download may follow
TIMEOUT_SECONDS = int(LOOP_SECONDS) + DRAIN_SECONDS
ROW_LEASE_SECONDS = 200.0
TICK_SECONDS = 0.1
DOWNLOAD_SECONDS = 60.0
MAX_BYTES = 60 * 1024 * 1024
OUR_TROUBLE_SECONDS = 30.0  # a full disk, a bug: the picture waits until it is mended
CRASHES_FORGIVEN = 20  # a kill in the middle of a fetch is not the picture's fault
EXPIRED = {401, 403, 404, 410}

Facts = dict[str, Any]
Fetches = dict[Future[Facts], Picture]


class NotFetched(Exception):
    """Why, in plain words; `final` when no further try can help."""

    def __init__(self, why: str, *, final: bool = False, expired: bool = False) -> None:
        super().__init__(why)
        self.final = final
        self.expired = expired


def has_work() -> bool:
    return Picture.objects.filter(next_try_at__lte=timezone.now()).exists()


def run(loop: LeasedLoop) -> None:
    """Fetch what is due until the shift ends or nothing is.

    A file on a slow line outlasts its shift and holds nobody up: the next shift begins at once.
    """
    fetches: Fetches = {}
    if loop.previous_holder_died:
        Picture.objects.reset_claims()
    with (
        closing(Fetcher()) as fetcher,
        ThreadPoolExecutor(settings.FETCH_THREADS, "fetch") as pool,
    ):
        while True:
            free = settings.FETCH_THREADS - len(fetches)
            if loop.should_continue():
                for picture in Picture.objects.claim_wanted(free, ROW_LEASE_SECONDS):
                    if picture.claims > CRASHES_FORGIVEN:
                        _put_off(picture, "every try broke off", final=True)
                    else:
                        fetches[pool.submit(fetcher.fetch, picture)] = picture
            elif fetches and loop.is_held:
                loop.release_early()
                loop.wake_up("fetch")
            if not fetches:
                return
            loop.renew()
            done, _waiting = wait(fetches, TICK_SECONDS, FIRST_COMPLETED)
            for fetch in done:
                _record_result(fetches.pop(fetch), fetch)


def _record_result(picture: Picture, fetch: "Future[Facts]") -> None:
    """Write one result down; the row ends with its last picture."""
    try:
        facts = fetch.result()
    except NotFetched as error:
        _put_off(picture, str(error), final=error.final)
    except Exception as error:
        logger.exception("fetching %s broke", picture)
        picture.try_later(
            OUR_TROUBLE_SECONDS, f"{type(error).__name__} on our side", is_a_try=False
        )
    else:
        with transaction.atomic():
            kept = picture.mark_stored(**facts)
            picture.generation.finish_if_complete()
        if not kept:
            store.discard(facts)


def _put_off(picture: Picture, why: str, *, final: bool) -> None:
    delays = settings.FETCH_RETRY_SECONDS
    with transaction.atomic():
        if final or picture.tries >= len(delays):
            logger.warning("%s is lost: %s", picture, why)
            picture.mark_lost(why)
            picture.generation.finish_if_complete()
        else:
            picture.try_later(delays[picture.tries], why)


def sweep() -> None:
    """Rows whose last picture was settled without anybody seeing that it was the last; and, after
    the clock was set back, pictures that are due too far ahead."""
    now = timezone.now()
    longest = timedelta(seconds=ROW_LEASE_SECONDS + max(settings.FETCH_RETRY_SECONDS, default=0))
    Picture.objects.filter(next_try_at__gt=now + longest).update(next_try_at=now)
    wanted = Picture.objects.filter(state=Picture.State.WANTED, generation=OuterRef("pk"))
    for generation in Generation.objects.filter(~Exists(wanted), status=Status.FETCHING):
        generation.finish_if_complete()


class Fetcher:
    """What a fetching thread needs: the guarded way to the file hosts, and the door for a fresh
    address. It touches no database."""

    def __init__(self) -> None:
        self.client = upstream.make_client(pool_size=settings.FETCH_THREADS)
        # Only the simulator's own address may be plain http or on this machine.
        origin = settings.UPSTREAM_URL if _is_local(settings.UPSTREAM_URL) else ""
        self.session = http_client.session(
            pool_size=settings.FETCH_THREADS, guarded=True, allow_origin=origin
        )

    def close(self) -> None:
        self.client.close()
        self.session.close()

    def fetch(self, picture: Picture) -> Facts:
        """Download, check and store one picture; returns the columns of its row."""
        url = picture.upstream_url
        try:
            original = self._download(url)
        except NotFetched as error:
            if not error.expired:
                raise
            url = self._fresh_url(picture)
            original = self._download(url, is_fresh=True)
        try:
            processed = imaging.process(original)
        except imaging.InvalidImage as error:
            raise NotFetched(str(error)) from error
        return {**store.save(processed), "upstream_url": url}

    def _download(self, url: str, *, is_fresh: bool = False) -> bytes:
        """No key, no cookie, no proxy goes along; every hop passes the same guard.

        What is gone at an address told a moment ago is gone for good.
        """
        try:
            with (
                Deadline(DOWNLOAD_SECONDS),
                self.session.get(
                    url, stream=True, allow_redirects=True, timeout=(10, 30)
                ) as response,
            ):
                if response.status_code != requests.codes.ok:
                    status = response.status_code
                    gone = status in EXPIRED
                    raise NotFetched(
                        f"the file host answered {status}",
                        final=gone and is_fresh,
                        expired=gone and not is_fresh,
                    )
                body = http_client.read_body(response, MAX_BYTES)
        except http_client.AddressForbidden as error:
            raise NotFetched(f"refused: {error}", final=True) from error
        except http_client.BodyTooLarge as error:
            raise NotFetched(str(error), final=True) from error
        except requests.exceptions.RequestException as error:
            raise NotFetched(f"the file host failed: {type(error).__name__}") from error
        return body

    def _fresh_url(self, picture: Picture) -> str:
        """An address may have expired: the upstream is asked once for today's."""
        try:
            urls = self.client.task(picture.generation.upstream_task_id).image_urls
        except EngineError as error:
            raise NotFetched(f"no fresh address: {error.message}") from error
        if picture.index >= len(urls):
            raise NotFetched("the upstream does not list it any more")
        return urls[picture.index]


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}

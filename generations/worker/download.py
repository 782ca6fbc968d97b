"""Downloads files over HTTP, in threads and without the database."""

import tempfile
import time
from typing import IO
from urllib.parse import urlsplit

import requests  # noqa: TID251
from django.conf import settings
from django.core.files.storage import default_storage

from generations.engines import http_client
from generations.engines.deadline import Deadline
from generations.models import Picture

from .upstream import Clients, TaskQueries

DOWNLOAD_SECONDS = 60.0
MAX_BYTES = 60 * 1024 * 1024
STALLED_SECONDS = 2.0  # without a byte
EXPIRED_STATUSES = {401, 403, 404, 410}


class DownloadFailed(Exception):
    """`is_final`: a retry cannot help."""

    def __init__(self, reason: str, *, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


class UrlExpired(DownloadFailed):
    """The file host has no file at this URL, or not yet. A new URL may help."""


class Transfer:
    """One picture on its way from its file host to the storage."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.has_new_url = False
        self.queries: TaskQueries | None = None  # set before `query_new_url`
        self.reports: tuple[tuple[int | None, Exception | None], ...] = ()  # of its last query
        self.body: IO[bytes] | None = None
        self._waits_since: float | None = None  # on the monotonic clock; None outside of calls

    @property
    def owner_id(self) -> int:
        return self.picture.generation.owner_id

    @property
    def host(self) -> str:
        return host_of(self.picture.upstream_url)

    @property
    def is_stalled(self) -> bool:
        """Whether it waits for bytes. Such a call costs a thread, but no bandwidth."""
        since = self._waits_since
        return since is not None and time.monotonic() - since > STALLED_SECONDS

    def start_call(self) -> None:
        self._waits_since = time.monotonic()

    def end_call(self) -> None:
        self._waits_since = None

    def use_new_url(self, url: str) -> None:
        self.close()
        self.picture.upstream_url = url
        self.has_new_url = True

    def close(self) -> None:
        if self.body:
            self.body.close()


class Downloader:
    """A guarded session for files, and the clients for new URLs; shared by threads."""

    def __init__(self, pool_size: int) -> None:
        self.clients = Clients()
        # Only the simulator's own address may be plain http or local.
        is_local = host_of(settings.UPSTREAM_URL) in {"127.0.0.1", "localhost", "::1"}
        origin = settings.UPSTREAM_URL if is_local else ""
        self.session = http_client.session(pool_size=pool_size, guarded=True, allow_origin=origin)

    def close(self) -> None:
        self.clients.close()
        self.session.close()

    def download(self, transfer: Transfer) -> None:
        """Download without key, cookies or proxy, with a check of each redirect.

        The body goes to an unnamed file on disk: many at once would not fit into memory, and a
        killed process leaves none behind.
        """
        if name := transfer.picture.received_file.name:
            transfer.body = _open_received(name)
            return
        transfer.body = tempfile.TemporaryFile(dir=settings.DATA_DIR)  # noqa: SIM115
        url = transfer.picture.upstream_url
        try:
            with (
                Deadline(DOWNLOAD_SECONDS),
                self.session.get(
                    url, stream=True, allow_redirects=True, timeout=(10, 30)
                ) as response,
            ):
                if response.status_code != requests.codes.ok:
                    is_expired = response.status_code in EXPIRED_STATUSES
                    failure = UrlExpired if is_expired else DownloadFailed
                    raise failure(f"the file host answered {response.status_code}")
                for chunk in http_client.read_body(response, MAX_BYTES):
                    transfer.start_call()  # it delivers
                    transfer.body.write(chunk)
        except http_client.AddressForbidden as error:
            raise DownloadFailed(f"refused: {error}", is_final=True) from error
        except http_client.BodyTooLarge as error:
            raise DownloadFailed(str(error), is_final=True) from error
        except requests.exceptions.RequestException as error:
            raise DownloadFailed(f"the file host failed: {type(error).__name__}") from error

    def query_new_url(self, transfer: Transfer) -> str:
        """Ask the upstream for the picture's current URL. Raises `EngineError`.

        The transfer has the client of the key that its generation was sent with.
        """
        picture = transfer.picture
        generation = picture.generation
        if generation.upstream != settings.UPSTREAM_MODE:
            raise DownloadFailed(f"no new URL: no client for {generation}")
        if transfer.queries is None:
            raise DownloadFailed("no new URL: the API key of its task cannot be used")
        result = transfer.queries.query(generation.upstream_task_id)
        transfer.reports = result.reports
        if isinstance(result.outcome, Exception):
            raise result.outcome
        urls = result.outcome.image_urls
        if picture.index >= len(urls):
            raise DownloadFailed("the upstream no longer lists this image")
        return urls[picture.index]


def _open_received(name: str) -> IO[bytes]:
    """Open a file that came with the answer. Nobody can be asked for it again."""
    try:
        return default_storage.open(name, "rb")
    except FileNotFoundError:
        raise DownloadFailed("the received file is gone", is_final=True) from None


def host_of(url: str) -> str:
    """Return the host of a URL; empty when it has none or is invalid."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""

"""Shares the download threads between people and file hosts."""

from collections import Counter
from collections.abc import Iterable

from django.conf import settings

from generations.models import DuePicture

from .download import Transfer, host_of

# Waiting costs threads only, so there are more of them than downloads that deliver bytes.
THREADS_PER_DOWNLOAD = 8
MIN_DOWNLOADS_OF_OWNER = 2  # whatever others download
# A person or a stalled host has at most this many times the threads that are still free. So one
# alone gets many, several get fewer each, and some always stay free.
OWNER_SHARE = 0.5
HOST_SHARE = 2.0


def max_threads() -> int:
    return THREADS_PER_DOWNLOAD * settings.FETCH_THREADS


class Shares:
    """The downloads in progress, and which due pictures may join them."""

    def __init__(self, transfers: Iterable[Transfer]) -> None:
        self.threads: Counter[int] = Counter()
        self.active: Counter[int] = Counter()
        self.stalled: Counter[str] = Counter()  # by host
        self.stalled_of: Counter[tuple[str, int]] = Counter()  # by host and person
        for transfer in transfers:
            self.threads[transfer.owner_id] += 1
            if transfer.is_stalled:
                self.stalled[transfer.host] += 1
                self.stalled_of[transfer.host, transfer.owner_id] += 1
            else:
                self.active[transfer.owner_id] += 1

    def choose(self, due: Iterable[DuePicture]) -> list[int]:
        """Choose the pictures to download now: people take turns, fewest downloads first."""
        by_owner: dict[int, list[DuePicture]] = {}
        for picture in due:
            by_owner.setdefault(picture.owner_id, []).append(picture)
        chosen = []
        while by_owner:
            owner = min(by_owner, key=lambda owner: self.threads[owner])
            picture = by_owner[owner].pop(0)
            if self._may_start(owner, host_of(picture.upstream_url)):
                chosen.append(picture.pk)
                self.threads[owner] += 1
                self.active[owner] += 1
            if not by_owner[owner]:
                del by_owner[owner]
        return chosen

    def _may_start(self, owner: int, host: str) -> bool:
        free = max_threads() - self.threads.total()
        if free <= 0 or self.threads[owner] >= max(OWNER_SHARE * free, 1):
            return False
        # One call of each person may always try a host that does not answer the others.
        if self.stalled[host] >= HOST_SHARE * free and self.stalled_of[host, owner]:
            return False
        least = min(MIN_DOWNLOADS_OF_OWNER, settings.FETCH_THREADS)
        return self.active.total() < settings.FETCH_THREADS or self.active[owner] < least

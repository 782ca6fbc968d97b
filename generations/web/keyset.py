"""Keyset pagination: a page starts at a row's key, so its cost does not grow with its depth."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.db.models import Model, Q, QuerySet
from django.http import Http404

RowT = TypeVar("RowT", bound=Model)

MAX_KEY_LENGTH = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def keyset_page(
    rows: QuerySet[RowT] | Sequence[RowT], key: Callable[[RowT], str], size: int
) -> tuple[list[RowT], str]:
    """Return the first `size` rows and the key of the last one; the key is "" on the last page."""
    found = list(rows[: size + 1])
    page = found[:size]
    return page, key(page[-1]) if len(found) > size else ""


def key_of(row: Model, field: str = "created_at") -> str:
    """Return `1763981234567890-12`: the time in microseconds and the id, which breaks ties."""
    return f"{(getattr(row, field) - _EPOCH) // timedelta(microseconds=1)}-{row.pk}"


def before(key: str, field: str = "created_at") -> Q:
    """Match rows older than the key. The first condition is the one an index can serve."""
    at, pk = _parse(key)
    return Q((f"{field}__lte", at)) & (Q((f"{field}__lt", at)) | Q(pk__lt=pk))


def after(key: str) -> Q:
    """Match rows newer than the key."""
    at, pk = _parse(key)
    return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(pk__gt=pk))


def _parse(key: str) -> tuple[datetime, int]:
    microseconds, _dash, pk = key.partition("-")
    if not (microseconds.isdecimal() and pk.isdecimal() and len(key) < MAX_KEY_LENGTH):
        raise Http404
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), int(pk)
    except OverflowError:
        raise Http404 from None

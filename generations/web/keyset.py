"""Pages by key: the place of a row in time, never an offset, never a count."""

from datetime import UTC, datetime, timedelta

from django.db.models import Model, Q
from django.http import Http404

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def key_of(row: Model, moment: str = "created_at") -> str:
    """`1763981234567890-12`: its moment in microseconds, and its number among equal moments."""
    return f"{(getattr(row, moment) - _EPOCH) // timedelta(microseconds=1)}-{row.pk}"


def before(key: str, moment: str = "created_at") -> Q:
    """Older than that. The first condition is what the index can use."""
    at, pk = _read(key)
    return Q((f"{moment}__lte", at)) & (Q((f"{moment}__lt", at)) | Q(pk__lt=pk))


def after(key: str) -> Q:
    """Newer than that."""
    at, pk = _read(key)
    return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(pk__gt=pk))


def _read(key: str) -> tuple[datetime, int]:
    moment, _dash, pk = key.partition("-")
    if not (moment.isdecimal() and pk.isdecimal() and len(key) < 40):
        raise Http404
    try:
        return _EPOCH + timedelta(microseconds=int(moment)), int(pk)
    except OverflowError:
        raise Http404 from None

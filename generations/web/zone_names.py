"""Time zones by their city, in the reader's language. The names of cities are those of Babel."""

from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby

from babel.dates import get_timezone_location
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from generations.models.search_text import normalize
from generations.web.money.formats import current_locale

Choice = tuple[str, str]  # value and label


def zone_label(zone: str) -> str:
    """Return the city: "Ho Chi Minh City" for "Asia/Ho_Chi_Minh"; "Etc/GMT+7" and UTC as named."""
    return _label(zone, get_language() or "en")


@lru_cache(maxsize=4096)
def _label(zone: str, language: str) -> str:
    """`language` is that of `current_locale`: a part of the key of the cache."""
    if zone.startswith("Etc/") or "/" not in zone:
        return zone
    return str(get_timezone_location(zone, locale=current_locale(), return_city=True))


def zones_by_region(names: Iterable[str]) -> list[tuple[str, list[Choice]]]:
    """Choices grouped by the first part of the name: Africa, America, ..."""
    regions = {
        "Africa": _("Africa"),
        "America": _("America"),
        "Antarctica": _("Antarctica"),
        "Arctic": _("Arctic"),
        "Asia": _("Asia"),
        "Atlantic": _("Atlantic Ocean"),
        "Australia": _("Australia"),
        "Europe": _("Europe"),
        "Indian": _("Indian Ocean"),
        "Pacific": _("Pacific Ocean"),
        "Etc": _("Without a city"),
    }
    grouped = groupby(sorted(names), key=lambda name: name.partition("/")[0])
    return [(regions.get(region, region), _choices(zones)) for region, zones in grouped]


def _choices(zones: Iterable[str]) -> list[Choice]:
    return sorted(((zone, zone_label(zone)) for zone in zones), key=_alphabetical)


def _alphabetical(choice: Choice) -> str:
    """Without case and diacritics: "Áo" is not behind "Z"."""
    return " ".join(normalize(choice[1]))

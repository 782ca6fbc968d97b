"""Amounts of money as pages show them, in the team's currency and the reader's language."""

from functools import lru_cache
from typing import cast

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, format_decimal, get_currency_precision
from babel.numbers import is_currency as is_currency_code
from django.core.cache import caches
from django.utils.translation import get_language, to_locale

from generations.models import Team
from generations.models.money.amounts import PLACES, from_e4

_CACHE_SECONDS = 10
CENT_E4 = 100
UNIT_E4 = 10_000
MIN_ROUNDED_E4 = 100 * UNIT_E4  # a forecast from here on is rounded to units, others to cents


def current_currency() -> str:
    """Return the team's currency, which every card and page needs."""
    currency = caches["local"].get_or_set(
        "currency", lambda: Team.objects.current().currency, _CACHE_SECONDS
    )
    return cast(str, currency)


def format_money(amount_e4: int, currency: str | None = None) -> str:
    """Return 4800 as "$0.48", 267 as "$0.0267", and "0.48 credits" for a currency of one's own."""
    return _format(amount_e4, currency or current_currency(), get_language() or "en")


def format_sum(amount_e4: int) -> str:
    """Return 4851880 as "$485.19": rounded to a hundredth, unless nothing would be left of it."""
    cents = (abs(amount_e4) + CENT_E4 // 2) // CENT_E4
    if not cents:
        return format_money(amount_e4)
    return format_money(cents * CENT_E4 * (1 if amount_e4 > 0 else -1))


def format_forecast(amount_e4: int, used_e4: int) -> str:
    """Return 4851880 as "$485.00": not exact to the cent, but never less than what is used."""
    step = UNIT_E4 if amount_e4 >= MIN_ROUNDED_E4 else CENT_E4
    return format_sum(max(round(amount_e4 / step) * step, used_e4))


def format_number(amount_e4: int) -> str:
    """Return 480000 as "48", for the axis of a plot, which names its currency elsewhere."""
    return format_decimal(from_e4(amount_e4), locale=current_locale())


def format_signed_money(amount_e4: int) -> str:
    """Return 4800 as "+$0.48", and -4800 with a minus sign, which is no hyphen."""
    sign = "+" if amount_e4 > 0 else "\N{MINUS SIGN}" if amount_e4 < 0 else ""
    return f"{sign}{format_money(abs(amount_e4))}"


@lru_cache(maxsize=2000)
def _format(amount_e4: int, currency: str, language: str) -> str:
    """Cached: pages repeat amounts, and Babel builds a pattern for each call."""
    amount, locale = from_e4(amount_e4), _locale(language)
    if not is_currency_code(currency):
        number = format_decimal(amount, format=_pattern(0), locale=locale)
        return f"{number}\N{NO-BREAK SPACE}{currency}"
    pattern = locale.currency_formats["standard"].pattern
    places = get_currency_precision(currency)
    return format_currency(
        amount,
        currency,
        format=pattern.replace("#,##0.00", _pattern(places)),
        locale=locale,
        currency_digits=False,
    )


def _pattern(places: int) -> str:
    """The digits after the point: at least `places`, more where the amount has them."""
    return "#,##0." + "0" * places + "#" * (PLACES - places)


def current_locale() -> Locale:
    """The locale of the reader, in Babel's terms."""
    return _locale(get_language() or "en")


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(to_locale(language))
    except UnknownLocaleError:
        return Locale.parse("en")


def percent_used(used: int, limit: int) -> int:
    """How much of a limit is used, in whole percent, at most 100; of a limit of nothing all."""
    return min(used * 100 // limit, 100) if limit else 100

"""Why a request is not paid for: what is short, when it renews, and what to do."""

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_sentences
from generations.models import LimitReached
from generations.models.money import Allowance, Quote
from generations.requests import NotOffered, PriceChanged, Unpriced
from generations.web.formats import format_datetime
from generations.web.model_names import kind_label

from .formats import format_money


def limit_text(refusal: LimitReached) -> str:
    """Return what the limit is, what is left of it, and when it renews."""
    allowance = refusal.allowance
    texts = {
        (True, "month"): _("The team’s budget for this month does not allow this request."),
        (True, "day"): _("The team’s budget for today does not allow this request."),
        (False, "month"): _("Your limit for this month does not allow this request."),
        (False, "day"): _("Your limit for today does not allow this request."),
    }
    renews = _("The limit renews on %(date)s.") % {"date": format_datetime(allowance.renews_at)}
    nothing = _("Nothing was sent or charged.")
    left = left_text(allowance, refusal.quote)
    return join_sentences((texts[allowance.is_team, allowance.window], left, renews, nothing))


def left_text(allowance: Allowance, quote: Quote) -> str:
    """Return how much is left, in images or money: whichever is short."""
    if allowance.left_images is not None and allowance.left_images < quote.n:
        return ngettext(
            "%(left)d image of %(limit)d is left.",
            "%(left)d images of %(limit)d are left.",
            allowance.left_images,
        ) % {"left": allowance.left_images, "limit": allowance.limit_images}
    return _("%(left)s of %(limit)s is left; the request costs %(price)s.") % {
        "left": format_money(allowance.left_e4 or 0),
        "limit": format_money(allowance.limit_e4 or 0),
        "price": format_money(quote.total_e4),
    }


def unpriced_text(refusal: Unpriced) -> str:
    kind = kind_label(*refusal.kind.split(" "))
    if isinstance(refusal, NotOffered):
        return _(
            "Your team does not offer this kind of request (%(kind)s), so it was not sent. Nothing "
            "was charged. Choose other settings, or ask an admin."
        ) % {"kind": kind}
    return _(
        "No price is set for this kind of request (%(kind)s), so it was not sent. Nothing was "
        "charged. An admin can set the price in the admin area, under Prices."
    ) % {"kind": kind}


def price_changed_text(refusal: PriceChanged) -> str:
    quote = refusal.quote
    return _(
        "The price has changed: %(price)s now. Nothing was sent or charged. Press again to accept "
        "the new price."
    ) % {"price": format_money(quote.total_e4)}

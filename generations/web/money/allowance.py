"""What a member has left, in a few words below the button."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_facts
from generations.models import Member
from generations.models.money import Allowance, ledger

from .formats import format_sum


def left_line(member: Member) -> str:
    """Return "$1.20 left today, $40.00 left this month"; "" without limits.

    Of each window the tightest limit counts, the member's or the team's.
    """
    allowances = ledger.allowances(member)
    parts = [
        text
        for window, words in (("day", _("%s left today")), ("month", _("%s left this month")))
        if (text := _tightest([each for each in allowances if each.window == window], words))
    ]
    return join_facts(parts)


def _tightest(allowances: Sequence[Allowance], words: str) -> str:
    money = [each.left_e4 for each in allowances if each.left_e4 is not None]
    images = [each.left_images for each in allowances if each.left_images is not None]
    amounts = []
    if money:
        amounts.append(format_sum(min(money)))
    if images:
        amounts.append(ngettext("%d image", "%d images", min(images)) % min(images))
    return words % _(" and ").join(amounts) if amounts else ""

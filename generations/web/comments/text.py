"""The text of a comment as HTML: only links to web addresses, mentions and line breaks."""

import re
from collections.abc import Collection

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from generations.models.comment import MENTION

MAX_LINK_CHARACTERS = 60  # of the address as shown
# Only addresses with a scheme: no other text becomes a link by accident, and no script can.
_ADDRESS = r"https?://[^\s<>\"“”]+"
_PARTS = re.compile(f"(?P<address>{_ADDRESS})|(?P<mention>{MENTION.pattern})|(?P<line>\r?\n)", re.I)
_TRAILING = ".,:;!?'’)]}…"


def comment_html(text: str, mentioned: Collection[str]) -> SafeString:
    """`mentioned` are the user names that are mentions, in lower case; others stay plain text."""
    pieces: list[SafeString | str] = []
    end = 0
    for match in _PARTS.finditer(text):
        pieces.append(text[end : match.start()])
        if match["line"]:
            pieces.append(mark_safe("<br>"))
        elif match["address"]:
            pieces += _link(match["address"])
        else:
            pieces += _mention(match["mention"], mentioned)
        end = match.end()
    pieces.append(text[end:])
    return format_html_join("", "{}", ((piece,) for piece in pieces))


def _link(address: str) -> list[SafeString | str]:
    """The link, and the punctuation of the sentence after it."""
    target = address.rstrip(_TRAILING)
    if address[len(target) :].startswith(")") and "(" in target:
        target += ")"
    shown = target if len(target) <= MAX_LINK_CHARACTERS else f"{target[:MAX_LINK_CHARACTERS]}…"
    link = format_html(
        '<a href="{}" rel="nofollow noopener noreferrer" target="_blank"><bdi>{}</bdi></a>',
        target,
        shown,
    )
    return [link, address[len(target) :]]


def _mention(text: str, mentioned: Collection[str]) -> list[SafeString | str]:
    for name in (text, text.rstrip("@.+-")):
        if name[1:].lower() in mentioned:
            return [format_html('<b class="mention">{}</b>', name), text[len(name) :]]
    return [text]

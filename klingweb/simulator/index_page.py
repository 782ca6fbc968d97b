"""The page at `/`: the scenarios that a prompt can name."""

from html import escape

from klingweb.simulator.responses import HTML, CannedResponse
from klingweb.simulator.scenarios import DESCRIPTIONS

_ROWS = "".join(
    f"<dt><code>simulate: {escape(name)}</code></dt><dd>{escape(description)}</dd>"
    for name, description in DESCRIPTIONS.items()
)

INDEX_PAGE = CannedResponse(
    200,
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kling simulator</title>'
    "</head><body><h1>Kling simulator</h1><p>To run a scenario, include its text anywhere in a"
    " prompt. Case does not matter, and hyphens can be spaces.</p>"
    f"<dl>{_ROWS}</dl></body></html>\n",
    HTML,
)

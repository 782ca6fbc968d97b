"""The page at `/`: what one can write into a prompt."""

from html import escape

from klingweb.simulator.replies import HTML, Reply
from klingweb.simulator.scenarios import SCENARIOS

_ROWS = "".join(
    f"<dt><code>simulate: {escape(name)}</code></dt><dd>{escape(says)}</dd>"
    for name, says in SCENARIOS.items()
)

PAGE = Reply(
    200,
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kling simulator</title>'
    "</head><body><h1>Kling simulator</h1><p>Write one of these anywhere in a prompt, hyphens or"
    f" spaces, in any case.</p><dl>{_ROWS}</dl></body></html>\n",
    HTML,
)

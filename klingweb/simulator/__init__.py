"""The other end of the wire: a Kling reseller that answers over real HTTP and costs nothing.

It knows only HTTP and imports nothing of ours; nothing of ours imports it.
"""

from klingweb.simulator.scenarios import SCENARIOS

__all__ = ["SCENARIOS"]

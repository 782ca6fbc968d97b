"""The texts of a hold, for templates."""

from django import template

from generations.models import UpstreamGate
from generations.web.hold_messages import HOLD_MESSAGES, HoldMessage

register = template.Library()


@register.filter
def hold_message(gate: UpstreamGate) -> HoldMessage:
    """The message for the gate's hold reason."""
    return HOLD_MESSAGES[UpstreamGate.HoldReason(gate.hold_reason)]

"""What pages say about a hold."""

from typing import Any

from django import template

from generations.web.hold_messages import HOLD_MESSAGES, HoldMessage

register = template.Library()


@register.filter
def hold_message(gate: Any) -> HoldMessage:
    """The message for `gate.hold_reason`."""
    return HOLD_MESSAGES[gate.hold_reason].named(gate.engine)

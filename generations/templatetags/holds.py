"""What pages say about a hold."""

from typing import Any

from django import template

from generations.web.hold_messages import HoldMessage, message_of

register = template.Library()


@register.filter
def hold_message(gate: Any) -> HoldMessage:
    """The message for `gate.hold_reason`."""
    return message_of(gate)

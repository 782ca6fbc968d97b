"""The languages of the switch on pages without sign-in."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def languages() -> list[tuple[str, str]]:
    """Return the code and the own name of each. Django's tag would translate the names."""
    return list(settings.LANGUAGES)

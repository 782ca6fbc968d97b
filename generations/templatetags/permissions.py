"""Permissions in templates: `{% if request.user|may:"manage-queue" %}`."""

from django import template

from generations import permissions

register = template.Library()


@register.filter
def may(member: permissions.Actor, action: str) -> bool:
    """Raises ValueError for a word that is no action, so that a typing error cannot hide a page."""
    return permissions.may(member, permissions.Action(action))

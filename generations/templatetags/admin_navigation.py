"""The side list of the admin."""

from typing import Any

from django import template
from django.http import HttpRequest

from generations.permissions import Action, may
from generations.web.admin.navigation import groups_for

register = template.Library()


@register.filter
def shows_admin(request: HttpRequest) -> bool:
    """Whether an error page belongs into the frame of the admin."""
    user: Any = getattr(request, "user", None)
    is_member = user is not None and user.is_authenticated
    return request.path.startswith("/admin/") and is_member and may(user, Action.OPEN_ADMIN)


@register.inclusion_tag("admin/_navigation.html", takes_context=True)
def admin_navigation(context: Any) -> dict[str, Any]:
    groups = list(groups_for(context["request"]))
    entries = [entry for _heading, shown in groups for entry in shown]
    current = next((entry.label for entry in entries if entry.is_current), "")
    return {"groups": groups, "current": current}

"""The side list of the admin."""

from typing import Any

from django import template

from generations.web.admin.navigation import groups_for

register = template.Library()


@register.inclusion_tag("admin/_navigation.html", takes_context=True)
def admin_navigation(context: Any) -> dict[str, Any]:
    groups = list(groups_for(context["request"]))
    entries = [entry for _heading, shown in groups for entry in shown]
    current = next((entry.label for entry in entries if entry.is_current), "")
    return {"groups": groups, "current": current}

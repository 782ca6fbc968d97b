"""Names of engines and models."""

from typing import Any

from django import template

from generations.web.model_names import engine_label, model_label

register = template.Library()
register.filter("engine_name", engine_label)


@register.filter
def model_name(row: Any) -> str:
    """The name of the model of a row with `engine` and `model`."""
    return model_label(row.engine, row.model)

"""The fields of a generation that only its engine has, for the lists of facts on pages."""

from generations.engines.registry import offer_for
from generations.models import Generation


def offer_facts(row: Generation) -> list[tuple[str, str]]:
    """Label and value of each field in `params`, in English; templates translate both."""
    return [
        (field.label, field.label_of(row.params[field.name]))
        for field in offer_for().fields
        if field.name in row.params
    ]

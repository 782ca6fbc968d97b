"""A filter of the gallery in words."""

from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.web.model_names import model_label

from .filters import STATES, Filter

MAX_LENGTH = 60  # characters of a prompt or a search


def filter_words(filter: Filter) -> list[str]:
    """Name each condition: "“bottle”", "Lan", "16:9", "Favourites"."""
    values = filter.values
    words: list[str] = []
    if "q" in values:
        words.append(_("“%(text)s”") % {"text": Truncator(values["q"]).chars(MAX_LENGTH)})
    if "like" in values:
        prompt = Truncator(values["like"].generation.prompt).chars(MAX_LENGTH)
        words.append(_("Like “%(prompt)s”") % {"prompt": prompt})
    words += [member.name for member in values.get("by", ())]
    words += values.get("ratio", ())
    if "model" in values:
        words.append(model_label(*values["model"].split("/", 1)))
    words += [str(values[name]) for name in ("collection", "tag") if name in values]
    if "batch" in values:
        words.append(values["batch"].title or _("Batch"))
    words += [str(label) for name, label in _flags() if name in values]
    if "reference" in values:
        is_with = values["reference"] == "with"
        words.append(_("With a reference image") if is_with else _("Without a reference image"))
    if "state" in values:
        words.append(str(dict(STATES)[values["state"]]))
    if "since" in values:
        words.append(_("From %(day)s") % {"day": date_format(values["since"])})
    if "until" in values:
        words.append(_("Until %(day)s") % {"day": date_format(values["until"])})
    return words


def _flags() -> tuple[tuple[str, str], ...]:
    return ("favourite", _("Favourites")), ("private", _("Private"))

"""The settings of a request, as the studio and "Many at once" show them."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.forms.utils import ErrorList

from generations.engines.offer import Field
from generations.models import Collection, Picture, ReferenceImage
from generations.requests import offered_fields

from . import normalization, uploads
from .forms import SettingsForm
from .ratio_choices import ratio_choices

MAX_COLLECTIONS = 50


@dataclass(frozen=True)
class OfferChoice:
    """A field of the offer with the value that is selected."""

    field: Field
    value: str
    errors: ErrorList


def settings_context(form: SettingsForm) -> dict[str, Any]:
    offer = form.offer
    return {
        "form": form,
        "nonce": _nonce(form),
        "aspect_ratios": ratio_choices(offer),
        "numbers": range(1, offer.max_images + 1),
        "offer_choices": [
            OfferChoice(field, form[field.name].value(), form[field.name].errors)
            for field in offered_fields(offer)
        ],
        "collections": Collection.objects.all()[:MAX_COLLECTIONS],
        "reference_image": shown_reference(form),
        "reference_picture": shown_picture(form),
        "reference_rules": offer.reference,
        "reference_changes": form.reference_changes,
        "accepted_files": normalization.ACCEPT,
        "max_upload_bytes": normalization.MAX_BYTES,
        # The script puts the file's name in.
        "reference_errors": {name: text("%n") for name, text in uploads.BROWSER_ERRORS.items()},
    }


def _nonce(form: SettingsForm) -> Any:
    """A form that is shown again keeps its nonce; only a broken nonce is replaced."""
    if form.is_bound and "nonce" in form.cleaned_data:
        return form.cleaned_data["nonce"]
    return uuid4()


def shown_reference(form: SettingsForm) -> ReferenceImage | None:
    if form.is_bound:
        return form.reference_image
    reference: ReferenceImage | None = form.initial.get("reference")
    return reference


def shown_picture(form: SettingsForm) -> Picture | None:
    """The picture chosen as reference, until a reference image has been made from it."""
    if form.is_bound:
        picture: Picture | None = form.cleaned_data.get("picture")
        return picture if picture and not form.reference_image else None
    return form.initial.get("picture")

"""The studio's form. It parses; the rules of a request are in `generations.requests`."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from generations.engines.offer import Offer
from generations.engines.registry import find_offer, offer_for
from generations.models import Collection, Generation, Member, Picture, ReferenceImage
from generations.offered_models import find_offered
from generations.requests import (
    GenerationRequest,
    SeenPrices,
    not_offered,
    offered_fields,
    reference_url_error,
)
from generations.web.money.prices import parse_seen_prices
from generations.web.text_fields import VisibleTextField

from . import parking
from .uploads import (
    NormalizedUpload,
    Upload,
    normalize_upload,
    store_picture_as_reference,
    store_reference,
)

DEFAULT_FIDELITY = 0.5
# Where a field of the form has another name than the field of the request.
FORM_NAMES = {"reference_url": "image_url"}
# Fields that choose a row, and the rows: those that the member sees.
SHOWN_ROWS: dict[str, Any] = {
    "reference": ReferenceImage.objects,
    "picture": Picture.objects,
    "remix_of": Generation.objects,
}


class TextField(VisibleTextField):
    """Text with a line break as one character; browsers send two."""

    def to_python(self, value: Any) -> str:
        return super().to_python(value).replace("\r\n", "\n")


def validate_reference_url(url: str) -> None:
    """Name the reason for an internal address, also for one that has no valid form."""
    if error := reference_url_error(url):
        raise forms.ValidationError(error, code="internal")
    URLValidator(["https"])(url)


class SecureURLField(forms.URLField):
    default_validators = [validate_reference_url]


class RemixInput(forms.HiddenInput):
    """Also reads `again_of`, the name in forms that were opened before an upgrade."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name) or data.get("again_of")


class SettingsForm(forms.Form):
    """What a request has besides its prompt, in the studio and for many prompts at once.

    The fields are those of the offer of `model`. A form without it is for the first engine: that
    was the only one when such forms were opened.
    """

    model = forms.CharField(required=False, max_length=100)
    negative_prompt = TextField(required=False)
    aspect_ratio = forms.CharField(required=False)
    n = forms.IntegerField(
        initial=1,
        error_messages={
            "required": _("Choose how many images."),
            "invalid": _("Choose how many images."),
        },
    )
    image = forms.FileField(required=False, allow_empty_file=True)  # see normalize_upload
    reference = forms.ModelChoiceField(
        ReferenceImage.objects.none(),
        required=False,
        error_messages={
            "invalid_choice": _("This reference image no longer exists. Choose another.")
        },
    )
    picture = forms.ModelChoiceField(
        Picture.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("This image no longer exists. Choose another.")},
    )
    image_url = SecureURLField(
        required=False,
        max_length=2000,
        assume_scheme="https",
        error_messages={"invalid": _("Enter an image address that begins with https://.")},
    )
    image_fidelity = forms.FloatField(
        required=False,
        initial=DEFAULT_FIDELITY,
        error_messages={"invalid": _("Similarity is a number from 0 to 1.")},
    )
    collection = forms.ModelChoiceField(
        Collection.objects.all(),
        required=False,
        error_messages={"invalid_choice": _("This collection no longer exists. Choose another.")},
    )
    is_private = forms.BooleanField(required=False)
    nonce = forms.UUIDField(
        error_messages={
            "required": _("This page was out of date. Check the settings and try again."),
            "invalid": _("This page was out of date. Check the settings and try again."),
        }
    )

    def __init__(self, *args: Any, member: Member, **options: Any) -> None:
        super().__init__(*args, **options)
        self.member = member
        self.reference_image: ReferenceImage | None = None
        self.reference_changes = ""  # what the image lost on the way here, for the member
        self.offer = self._chosen_offer()
        self._field("aspect_ratio").initial = self.offer.default_aspect_ratio
        for name, rows in SHOWN_ROWS.items():
            # Building the query costs more than most fields do.
            if name in self.fields and self[name].data:
                self._field(name).queryset = rows.visible_to(member)
        for field in offered_fields(self.offer):
            self.fields[field.name] = forms.CharField(required=False, initial=field.default)

    def _chosen_offer(self) -> Offer:
        """The offer of the model; the first engine's for one that is not known."""
        return find_offer(str(self["model"].value() or "")) or offer_for()

    def clean_model(self) -> str:
        """The key of the offer."""
        key: str = self.cleaned_data["model"]
        if key and find_offered(key) is None:
            offer = find_offer(key)
            raise forms.ValidationError(
                not_offered(offer)
                if offer
                else _("This model is no longer offered. Choose another.")
            )
        return self.offer.key

    def clean_image(self) -> NormalizedUpload | None:
        upload: Upload | None = self.cleaned_data["image"]
        return normalize_upload(upload) if upload else None

    def _store_reference(self) -> ReferenceImage | None:
        """Store the image even if another field is wrong, so that it is chosen only once.

        A new file wins over a stored image.
        """
        upload: NormalizedUpload | None = self.cleaned_data.get("image")
        if upload:
            self.reference_changes = upload.image.changes
            return store_reference(self.member, upload)
        picture: Picture | None = self.cleaned_data.get("picture")
        if picture:
            try:
                reference, self.reference_changes = store_picture_as_reference(self.member, picture)
                return reference
            except forms.ValidationError as refusal:
                self.add_error("picture", refusal)
        return self.cleaned_data.get("reference")

    def _field(self, name: str) -> Any:
        return self.fields[name]

    def add_request_errors(self, request: GenerationRequest) -> None:
        """Show what the offer does not allow beside its field, unless the field has an error."""
        for name, error in request.errors().items():
            name = FORM_NAMES.get(name, name)
            if name in self.fields and name not in self.errors:
                self.add_error(name, error)

    def request(self, prompt: str = "", **columns: Any) -> GenerationRequest:
        """The request for a prompt; fields that could not be parsed have placeholders."""
        cleaned = self.cleaned_data
        n = cleaned.get("n")
        return GenerationRequest(
            prompt=prompt,
            negative_prompt=cleaned.get("negative_prompt", ""),
            aspect_ratio=cleaned.get("aspect_ratio", ""),
            n=n if n is not None else 1,
            reference=self.reference_image,
            reference_url=cleaned.get("image_url", ""),
            image_fidelity=cleaned.get("image_fidelity"),
            collection=cleaned.get("collection"),
            is_private=cleaned.get("is_private", False),
            params={
                field.name: cleaned.get(field.name) or field.default
                for field in offered_fields(self.offer)
            },
            engine=self.offer.engine,
            model=self.offer.model,
            **columns,
        )


class GenerationForm(SettingsForm):
    prompt = TextField(required=False)
    new_collection = VisibleTextField(
        required=False,
        max_length=Collection.MAX_NAME_LENGTH,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    remix_of = forms.ModelChoiceField(
        Generation.objects.none(),
        required=False,
        widget=RemixInput,
        error_messages={"invalid_choice": _("The original request no longer exists.")},
    )
    seen_prices = forms.CharField(required=False, max_length=2000)
    # The model whose fields the page showed; missing where there is no picker.
    shown_model = forms.CharField(required=False, max_length=100)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.is_bound:
            self.wanted = parking.wanted_values(self.data, self.shown_offer)
            return
        given = {name: self.initial.get(name) for name in parking.names()}
        self.wanted = {name: str(value) for name, value in given.items() if value is not None}
        for name, value in self.wanted.items():
            self.initial[name] = parking.fitting(self.offer, name, value)

    @property
    def shown_offer(self) -> Offer:
        """The offer whose fields the page showed."""
        return find_offer(str(self.data.get("shown_model", ""))) or self.offer

    @property
    def parked(self) -> list[parking.ParkedValue]:
        """What the member has chosen and the model does not take.

        What was sent in a field itself is not parked: it has an error.
        """
        wanted = {
            name: value
            for name, value in self.wanted.items()
            if not self.is_bound or self.data.get(name) != value
        }
        return parking.parked_values(wanted, self.offer)

    @property
    def notes(self) -> dict[str, str]:
        """Why a value is parked, by the name of the field."""
        return {each.name: each.note for each in self.parked}

    def for_model(self, offer: Offer) -> "GenerationForm":
        """This form, which was sent, with the fields of another model and all that was typed."""
        copied = ("prompt", "image_url", "image_fidelity", "collection", "new_collection")
        initial: dict[str, Any] = {
            name: self.data[name] for name in copied if name in self.data
        } | self.wanted
        initial |= {
            "model": offer.key,
            "is_private": bool(self.data.get("is_private")),
            "remix_of": self["remix_of"].value(),
            "reference": self.reference_image,
        }
        form = GenerationForm(member=self.member, initial=initial)
        form.reference_changes = self.reference_changes
        return form

    def clean(self) -> dict[str, Any]:
        self.reference_image = self._store_reference()
        self.add_request_errors(self.typed_request())
        return self.cleaned_data

    def clean_n(self) -> int:
        """A button may offer another number: the one that fits the limit."""
        instead = str(self.data.get("n_instead", ""))
        n: int = self.cleaned_data["n"]
        return int(instead) if instead.isascii() and instead.isdecimal() and len(instead) < 3 else n

    def clean_seen_prices(self) -> SeenPrices | None:
        """The prices of an image that the page showed, perhaps none; None without that field."""
        if "seen_prices" not in self.data:
            return None
        return parse_seen_prices(self.cleaned_data["seen_prices"])

    def typed_request(self) -> GenerationRequest:
        cleaned = self.cleaned_data
        return self.request(
            cleaned.get("prompt", ""),
            remix_of=cleaned.get("remix_of"),
            new_collection=cleaned.get("new_collection", ""),
        )

    def idempotency_key(self) -> str:
        nonce: UUID = self.cleaned_data["nonce"]
        return self.typed_request().key_from(nonce)

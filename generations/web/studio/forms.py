"""The studio's form. It parses; the rules of a request are in `generations.requests`."""

from typing import Any
from uuid import UUID

from django import forms
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import offer_for
from generations.models import Collection, Generation, Member, Picture, ReferenceImage
from generations.requests import GenerationRequest, offered_fields, reference_url_error
from generations.web.money.prices import parse_seen_prices
from generations.web.text_fields import VisibleTextField

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


class GenerationForm(forms.Form):
    prompt = TextField(required=False)
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
    new_collection = VisibleTextField(
        required=False,
        max_length=Collection.MAX_NAME_LENGTH,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    is_private = forms.BooleanField(required=False)
    remix_of = forms.ModelChoiceField(
        Generation.objects.none(),
        required=False,
        widget=RemixInput,
        error_messages={"invalid_choice": _("The original request no longer exists.")},
    )
    seen_prices = forms.CharField(required=False, max_length=400)
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
        self._field("aspect_ratio").initial = offer_for().default_aspect_ratio
        for name, rows in SHOWN_ROWS.items():
            if self[name].data:  # building the query costs more than most fields do
                self._field(name).queryset = rows.visible_to(member)
        for field in offered_fields():
            self.fields[field.name] = forms.CharField(required=False, initial=field.default)

    def clean_image(self) -> NormalizedUpload | None:
        upload: Upload | None = self.cleaned_data["image"]
        return normalize_upload(upload) if upload else None

    def clean(self) -> dict[str, Any]:
        self.reference_image = self._store_reference()
        for name, error in self.request().errors().items():
            name = FORM_NAMES.get(name, name)
            if name not in self.errors:
                self.add_error(name, error)
        return self.cleaned_data

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

    def clean_n(self) -> int:
        """A button may offer another number: the one that fits the limit."""
        instead = str(self.data.get("n_instead", ""))
        n: int = self.cleaned_data["n"]
        return int(instead) if instead.isascii() and instead.isdecimal() and len(instead) < 3 else n

    def clean_seen_prices(self) -> list[int] | None:
        """The prices of an image that the page showed, perhaps none; None without that field."""
        if "seen_prices" not in self.data:
            return None
        return parse_seen_prices(self.cleaned_data["seen_prices"])

    def _field(self, name: str) -> Any:
        return self.fields[name]

    # --- what a valid form asks for ----------------------------------------------------------

    def request(self) -> GenerationRequest:
        """The request of the form; fields that could not be parsed have placeholders."""
        cleaned = self.cleaned_data
        n = cleaned.get("n")
        return GenerationRequest(
            prompt=cleaned.get("prompt", ""),
            negative_prompt=cleaned.get("negative_prompt", ""),
            aspect_ratio=cleaned.get("aspect_ratio", ""),
            n=n if n is not None else 1,
            reference=self.reference_image,
            reference_url=cleaned.get("image_url", ""),
            image_fidelity=cleaned.get("image_fidelity"),
            remix_of=cleaned.get("remix_of"),
            collection=cleaned.get("collection"),
            new_collection=cleaned.get("new_collection", ""),
            is_private=cleaned.get("is_private", False),
            params={
                field.name: cleaned.get(field.name) or field.default for field in offered_fields()
            },
        )

    def idempotency_key(self) -> str:
        nonce: UUID = self.cleaned_data["nonce"]
        return self.request().key_from(nonce)

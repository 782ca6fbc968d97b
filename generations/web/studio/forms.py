"""What a person may type, in the API's own field names, with the limits of the catalog."""

import json
from typing import Any, cast
from uuid import UUID, uuid5

from django import forms
from django.conf import settings
from django.core.validators import MaxLengthValidator, URLValidator
from django.utils.translation import gettext_lazy as _

from generations import catalog
from generations.models import Collection, Generation, Member, Picture, ReferenceImage

from .uploads import CheckedImage, Upload, check_image, store_picture_as_reference, store_reference


class TextField(forms.CharField):
    """Text counted in code points, a line break as one of them; browsers send two."""

    def __init__(self, limit_setting: str, **options: Any) -> None:
        limit = MaxLengthValidator(
            lambda: getattr(settings, limit_setting),
            _("%(show_value)s characters are too many: %(limit_value)s is the most."),
        )
        super().__init__(validators=[limit], **options)

    def to_python(self, value: Any) -> str:
        return str(super().to_python(value)).replace("\r\n", "\n")


class SecureURLField(forms.URLField):
    default_validators = [URLValidator(["https"])]


class GenerationForm(forms.Form):
    prompt = TextField(
        "PROMPT_CHARACTERS", error_messages={"required": _("Describe the picture first.")}
    )
    negative_prompt = TextField("NEGATIVE_PROMPT_CHARACTERS", required=False)
    aspect_ratio = forms.ChoiceField(
        choices=[(shape.ratio, shape.name) for shape in catalog.ASPECT_RATIOS],
        initial=catalog.DEFAULT_RATIO,
        error_messages={"required": _("Choose a shape."), "invalid_choice": _("Choose a shape.")},
    )
    n = forms.TypedChoiceField(
        coerce=int,
        choices=[(number, number) for number in range(1, catalog.MAX_IMAGES + 1)],
        initial=1,
        error_messages={
            "required": _("Choose how many pictures."),
            "invalid_choice": _("Choose 1 to 9 pictures."),
        },
    )
    image = forms.FileField(required=False, error_messages={"empty": _("This file is empty.")})
    reference = forms.ModelChoiceField(
        ReferenceImage.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("That image is gone. Choose it again.")},
    )
    picture = forms.ModelChoiceField(
        Picture.objects.none(),
        required=False,
        error_messages={"invalid_choice": _("That picture is gone. Choose another.")},
    )
    image_url = SecureURLField(
        required=False,
        max_length=2000,
        assume_scheme="https",
        error_messages={"invalid": _("The address of an image begins with https://.")},
    )
    image_fidelity = forms.FloatField(
        required=False,
        min_value=0,
        max_value=1,
        initial=0.5,
        error_messages={"invalid": _("Closeness is a number from 0 to 1.")},
    )
    collection = forms.ModelChoiceField(
        Collection.objects.all(),
        required=False,
        error_messages={"invalid_choice": _("That collection is gone. Choose another.")},
    )
    new_collection = forms.CharField(
        required=False,
        max_length=Collection.MAX_NAME_LENGTH,
        error_messages={"max_length": _("A name has at most %(limit_value)d characters.")},
    )
    is_private = forms.BooleanField(required=False)
    remix_of = forms.ModelChoiceField(Generation.objects.none(), required=False)
    nonce = forms.UUIDField(
        error_messages={
            "required": _("This page was out of date. Look it over and press again."),
            "invalid": _("This page was out of date. Look it over and press again."),
        }
    )

    def __init__(self, *args: Any, member: Member, **options: Any) -> None:
        super().__init__(*args, **options)
        self.member = member
        self.reference_image: ReferenceImage | None = None
        self._field("reference").queryset = ReferenceImage.objects.visible_to(member)
        self._field("picture").queryset = Picture.objects.visible_to(member)
        self._field("remix_of").queryset = Generation.objects.visible_to(member)

    def clean_image(self) -> CheckedImage | None:
        upload: Upload | None = self.cleaned_data["image"]
        return check_image(upload) if upload else None

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        self.reference_image = self._store_reference()
        has_image, url = bool(self.reference_image), cleaned.get("image_url")
        if has_image and url:
            self.add_error("image_url", _("Give an image or an address, not both."))
        if (has_image or url) and cleaned.get("negative_prompt"):
            self.add_error("negative_prompt", _("Not with a reference image. Take one out."))
        return cleaned

    def _store_reference(self) -> ReferenceImage | None:
        """Kept although the rest may be wrong: nothing is chosen twice. A new file wins."""
        checked: CheckedImage | None = self.cleaned_data.get("image")
        if checked:
            return store_reference(self.member, cast(Upload, self.files["image"]), checked)
        picture: Picture | None = self.cleaned_data.get("picture")
        if picture:
            try:
                return store_picture_as_reference(self.member, picture)
            except forms.ValidationError as refusal:
                self.add_error("picture", refusal)
        return self.cleaned_data.get("reference")

    def _field(self, name: str) -> Any:
        return self.fields[name]

    # --- what a valid form asks for ----------------------------------------------------------

    def params(self) -> dict[str, Any]:
        """The columns of the row. A slider always says something: only a reference listens."""
        cleaned = self.cleaned_data
        has_reference = self.reference_image or cleaned["image_url"]
        return {
            "prompt": cleaned["prompt"],
            "negative_prompt": cleaned["negative_prompt"],
            "aspect_ratio": cleaned["aspect_ratio"],
            "n": cleaned["n"],
            "reference": self.reference_image,
            "reference_url": cleaned["image_url"],
            "image_fidelity": cleaned["image_fidelity"] if has_reference else None,
            "remix_of": cleaned["remix_of"],
            "collection": cleaned["collection"],
            "is_private": cleaned["is_private"],
        }

    def make_collection(self) -> Collection | None:
        """The one that was named in the form, made now; the same name again is the same one."""
        name = self.cleaned_data["new_collection"]
        if not name:
            return None
        return Collection.objects.get_or_create(name=name, created_by=self.member)[0]

    def idempotency_key(self) -> UUID:
        """Names this very press.

        The same form pressed twice gives the same name and so the same row; a form that was
        changed after the Back button carries the old nonce, but is a new wish.
        """
        params = self.params()
        reference = params.pop("reference")
        params["reference"] = reference.sha256 if reference else None
        for name in ("remix_of", "collection"):
            params[name] = params[name].pk if params[name] else None
        params["new_collection"] = self.cleaned_data["new_collection"]
        nonce: UUID = self.cleaned_data["nonce"]
        return uuid5(nonce, json.dumps(params, sort_keys=True))

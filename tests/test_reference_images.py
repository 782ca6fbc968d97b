"""Reference images of every kind: what is stored, what is said, what the gateway gets."""

import base64
import io
import json
import random
from dataclasses import replace
from typing import Any

import pillow_heif
import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from generations.engines import kling
from generations.models import Generation, Member, ReferenceImage, Status
from generations.web.studio import normalization, uploads
from tests.builders import make_generation, png_bytes
from tests.forms import HTMX, form_data
from tests.images import (
    GREEN,
    RED,
    SWAPPED_PROFILE,
    encode,
    halves,
    rotated,
    with_location,
)
from tests.kling_responses import kling_json
from tests.scripted_server import reply
from tests.worker_driver import ScriptedUpstream, run_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]
pillow_heif.register_heif_opener()


def send(client: Client, content: bytes, name: str = "photo.jpg", **fields: Any) -> Any:
    # The declared type is always wrong: the content decides.
    image = SimpleUploadedFile(name, content, "text/html")
    return client.post("/", form_data(image=image, **fields), headers=HTMX)


def stored_image() -> Image.Image:
    with ReferenceImage.objects.get().file.open("rb") as file:
        return Image.open(io.BytesIO(file.read()))


def changes_in(response: Any) -> str:
    page: str = response.content.decode()
    start = page.index('id="reference-changes"')
    return page[page.index(">", start) + 1 : page.index("</p>", start)]


KINDS: dict[str, tuple[bytes, str, str]] = {
    "progressive": (encode(halves(), "JPEG", progressive=True), "JPEG", ""),
    "png": (encode(halves(), "PNG"), "PNG", ""),
    "webp": (encode(halves(), "WEBP"), "JPEG", "Converted from WebP."),
    "avif": (encode(halves(), "AVIF"), "JPEG", "Converted from AVIF."),
    "heic": (encode(halves(), "HEIF"), "JPEG", "Converted from HEIC."),
    "gif": (encode(halves(), "GIF"), "PNG", "Converted from GIF."),
    "bmp": (encode(halves(), "BMP"), "PNG", "Converted from BMP."),
    "tiff": (encode(halves(), "TIFF"), "PNG", "Converted from TIFF."),
    "mpo": (
        encode(halves(), "MPO", save_all=True, append_images=[Image.new("RGB", (640, 480))]),
        "JPEG",
        "",
    ),
    "palette": (encode(halves().quantize(4), "PNG"), "PNG", ""),
    "animated gif": (
        encode(halves(), "GIF", save_all=True, append_images=[Image.new("RGB", (640, 480))]),
        "PNG",
        "Converted from GIF, first frame used.",
    ),
    "animated webp": (
        encode(halves(), "WEBP", save_all=True, append_images=[Image.new("RGB", (640, 480))]),
        "JPEG",
        "Converted from WebP, first frame used.",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image_is_taken_and_what_was_changed_is_said(
    owner_client: Client, kind: str
) -> None:
    content, form, changes = KINDS[kind]
    response = send(owner_client, content)
    assert (response.status_code, changes_in(response)) == (200, changes)
    image, row = stored_image(), ReferenceImage.objects.get()
    assert (image.format, image.mode, image.size) == (form, "RGB", (640, 480))
    assert (row.content_type, row.width, row.height) == (f"image/{form.lower()}", 640, 480)
    assert image.getpixel((160, 240)) == pytest.approx(GREEN, abs=8)
    assert image.getpixel((480, 240)) == pytest.approx(RED, abs=8)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_image_is_stored_upright(owner_client: Client, form: str) -> None:
    response = send(owner_client, encode(halves(), form, exif=rotated()))
    assert stored_image().size == (480, 640)
    assert stored_image().getpixel((240, 100)) == pytest.approx(GREEN, abs=8)
    assert changes_in(response).endswith("urned upright.")


def test_colors_are_converted_by_their_profile(owner_client: Client) -> None:
    image = Image.new("RGB", (400, 400), (250, 10, 20))
    response = send(owner_client, encode(image, "JPEG", icc_profile=SWAPPED_PROFILE))
    red, green, _blue = stored_image().getpixel((9, 9))  # type: ignore[misc]
    assert green > 150 > red
    assert "icc_profile" not in stored_image().info
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("image", "form", "color", "changes"),
    [
        (halves().convert("CMYK"), "JPEG", GREEN, "Colors converted to sRGB."),
        (Image.new("I;16", (400, 400), 30_000), "PNG", (117, 117, 117), ""),
        (Image.new("L", (500, 400), 90), "JPEG", (90, 90, 90), ""),
        (Image.new("1", (500, 400), 1), "PNG", (255, 255, 255), ""),
        (
            Image.new("RGBA", (500, 400), (10, 20, 200, 90)),
            "PNG",
            (169, 172, 236),
            "Transparency filled with white.",
        ),
        (Image.new("RGBA", (500, 400), (10, 20, 200, 255)), "PNG", (10, 20, 200), ""),
        (
            Image.new("LA", (500, 400), (10, 0)),
            "PNG",
            (255, 255, 255),
            "Transparency filled with white.",
        ),
    ],
    ids=["cmyk", "16 bit", "gray", "1 bit", "alpha", "opaque alpha", "gray alpha"],
)
def test_pixels_are_eight_bit_rgb_on_white(
    owner_client: Client, image: Image.Image, form: str, color: tuple[int, ...], changes: str
) -> None:
    response = send(owner_client, encode(image, form))
    assert changes_in(response) == changes
    assert stored_image().mode == "RGB"
    assert stored_image().getpixel((100, 100)) == pytest.approx(color, abs=4)


def test_transparent_palette_is_flattened(owner_client: Client) -> None:
    image = halves().convert("P", palette=Image.Palette.ADAPTIVE)
    content = encode(image, "PNG", transparency=image.getpixel((0, 0)))
    assert changes_in(send(owner_client, content)) == "Transparency filled with white."
    assert stored_image().getpixel((10, 10)) == (255, 255, 255)


# --- limits are checked after normalizing ------------------------------------------------------


def test_photo_with_42_megapixels_is_scaled(owner_client: Client) -> None:
    content = encode(Image.new("RGB", (7000, 6000), (10, 90, 160)), "JPEG", quality=40)
    response = send(owner_client, content)
    assert changes_in(response) == "Scaled to 2048 × 1756 px."
    assert stored_image().size == (2048, 1756)


def test_photo_above_the_bytes_of_the_engine_is_taken(owner_client: Client) -> None:
    content = encode(Image.new("RGB", (2600, 2600)), "PNG") + b"\0" * kling.REFERENCE.max_bytes
    response = send(owner_client, content, "scan.png")
    assert changes_in(response) == "Scaled to 2048 × 2048 px."
    assert ReferenceImage.objects.get().size_bytes <= kling.REFERENCE.max_bytes


@pytest.mark.parametrize(("max_bytes", "form"), [(500_000, "png"), (200_000, "jpeg")])
def test_image_that_is_too_large_as_png_becomes_jpeg(max_bytes: int, form: str) -> None:
    noise = Image.frombytes("RGB", (400, 400), random.Random(1).randbytes(400 * 400 * 3))
    rules = replace(kling.REFERENCE, max_bytes=max_bytes)
    image = normalization.normalize(io.BytesIO(encode(noise, "PNG")), rules)
    assert image.content_type == f"image/{form}"
    assert len(image.content) <= max_bytes
    assert image.changes == ("Converted from PNG." if form == "jpeg" else "")


def test_ratio_is_that_of_the_upright_image(owner_client: Client) -> None:
    response = send(owner_client, encode(Image.new("RGB", (1100, 400)), "JPEG", exif=rotated()))
    assert "“photo.jpg” is too wide or too tall. Maximum 2.5:1." in response.content.decode()


def test_image_of_the_widest_ratio_keeps_it_when_scaled(owner_client: Client) -> None:
    send(owner_client, encode(Image.new("RGB", (5000, 2000)), "JPEG"))
    width, height = stored_image().size
    assert (width, height) == (2048, 820)
    assert width <= kling.REFERENCE.max_ratio * height


def test_panorama_is_called_too_wide_not_too_small(owner_client: Client) -> None:
    response = send(owner_client, encode(Image.new("RGB", (6000, 400)), "JPEG"))
    assert "too wide or too tall" in response.content.decode()


# --- nothing of the file but its pixels --------------------------------------------------------


def leaks() -> dict[str, bytes]:
    exif = with_location()
    exif[0x010F] = "ACME-PHONE"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>ACME-PHONE</x:xmpmeta>"
    options = {"exif": exif, "xmp": xmp}
    return {
        "jpeg": encode(halves(), "JPEG", comment="ACME-PHONE", **options) + b"ACME-PHONE",
        "png": encode(halves(), "PNG", exif=exif) + b"ACME-PHONE<script>alert(1)</script>",
        "webp": encode(halves(), "WEBP", **options),
        "avif": encode(halves(), "AVIF", **options),
        "heic": encode(halves(), "HEIF", **options),
        "tiff": encode(halves(), "TIFF", exif=exif.tobytes()),
    }


@pytest.mark.parametrize("kind", leaks())
def test_location_and_other_metadata_are_removed(owner_client: Client, kind: str) -> None:
    content = leaks()[kind]
    assert b"ACME-PHONE" in content
    response = send(owner_client, content)
    assert "ocation removed." in changes_in(response)
    with ReferenceImage.objects.get().file.open("rb") as file:
        stored = file.read()
    for leak in (b"ACME", b"Exif", b"xmp", b"script", b"GPS"):
        assert leak not in stored
    assert not stored_image().getexif()


def test_metadata_without_a_location_is_called_metadata(owner_client: Client) -> None:
    exif = Image.Exif()
    exif[0x010F] = "ACME-PHONE"
    response = send(owner_client, encode(halves(), "JPEG", exif=exif))
    assert changes_in(response) == "Metadata removed."


def test_gateway_gets_the_normalized_image(
    owner_client: Client, scripted_upstream: ScriptedUpstream
) -> None:
    done = {"task_id": "t", "task_status": "failed", "task_status_msg": "x"}
    server = scripted_upstream.respond_with(reply(200, kling_json(0, data=done)))
    send(owner_client, encode(halves(), "WEBP", exif=with_location()))
    run_worker()
    [body] = [json.loads(each.body) for each in server.requests if each.method == "POST"]
    sent = base64.b64decode(body["image"], validate=True)
    assert sent.startswith(b"\xff\xd8\xff")
    assert b"Exif" not in sent


def test_script_behind_an_image_is_not_stored(owner_client: Client) -> None:
    response = send(owner_client, encode(halves(), "JPEG") + b"<script>alert(1)</script>")
    assert response.status_code == 200
    with ReferenceImage.objects.get().file.open("rb") as file:
        assert b"script" not in file.read()


# --- refusals ----------------------------------------------------------------------------------

SMALL_JPEG = encode(halves(), "JPEG")
REFUSED: dict[str, tuple[bytes, str]] = {
    "truncated": (SMALL_JPEG[: len(SMALL_JPEG) // 2], "could not be read. Use a JPEG, PNG"),
    "truncated heic": (encode(halves(), "HEIF")[:-200], "could not be read"),
    "truncated webp": (encode(halves(), "WEBP")[:-100], "could not be read"),
    "truncated avif": (encode(halves(), "AVIF")[:-100], "could not be read"),
    "truncated gif": (encode(halves(), "GIF")[:-300], "could not be read"),
    "empty": (b"", "is empty"),
    "html": (b"<html><script>alert(1)</script></html>", "could not be read"),
    "gif and script": (b"GIF89a/*\0\0\0\0\0*/=1;alert(1)//", "could not be read"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "could not be read"),
    "pdf": (b"%PDF-1.7\n" + SMALL_JPEG, "could not be read"),
    "video": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + b"\0" * 100, "could not be read"),
    "small": (png_bytes(edge=299), "Minimum 300 px on each side. This image has 299 px."),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_other_file_is_refused_beside_the_field_and_nothing_else_is_lost(
    owner_client: Client, kind: str
) -> None:
    content, message = REFUSED[kind]
    response = send(owner_client, content, "IMG_1 <b>.jpg", prompt="A pear at dusk")
    page = response.content.decode()
    error = page[page.index('id="image-error"') :].partition("</p>")[0]
    assert response.status_code == 422
    assert "“IMG_1 &lt;b&gt;.jpg”" in error
    assert message in error
    assert "A pear at dusk</textarea>" in page
    assert not ReferenceImage.objects.exists()
    assert not Generation.objects.exists()


def test_refused_file_leaves_the_attached_image_attached(owner_client: Client) -> None:
    send(owner_client, SMALL_JPEG, prompt="")
    stored = ReferenceImage.objects.get()
    page = send(owner_client, b"no image", reference=str(stored.pk)).content.decode()
    assert f'value="{stored.pk}" checked' in page


def test_file_above_the_limit_is_refused(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1000)
    page = send(owner_client, SMALL_JPEG).content.decode()
    assert "“photo.jpg” is too large. Maximum 1000\xa0bytes. This file has" in page


def test_too_many_pixels_are_refused_before_they_are_decoded(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_arguments: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(normalization, "_decode", decode)
    for side in (b"\0\0\x1f\x40", b"\0\0\x75\x30", b"\x7f\xff\xff\xff"):
        bomb = png_bytes().replace(b"\0\0\1\x2c\0\0\1\x2c", side * 2)
        response = send(owner_client, bomb, "bomb.png")
        assert response.status_code == 422
        assert "“bomb.png”" in response.content.decode()


def test_progressive_photo_with_endless_scans_is_refused(owner_client: Client) -> None:
    photo = encode(Image.new("RGB", (4000, 4000)), "JPEG", progressive=True)
    scan = photo[photo.rindex(b"\xff\xda") : -2]
    response = send(owner_client, photo[:-2] + scan * 300 + photo[-2:])
    assert response.status_code == 422


def test_large_photo_is_never_decoded_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """42 megapixels are 168 MB in memory."""
    decoded: list[tuple[int, int]] = []
    load = JpegImageFile.load

    def load_and_note(image: JpegImageFile) -> Any:
        decoded.append(image.size)
        return load(image)

    monkeypatch.setattr(JpegImageFile, "load", load_and_note)
    content = io.BytesIO(encode(Image.new("RGB", (7000, 6000), RED), "JPEG"))
    normalization.normalize(content, kling.REFERENCE)
    assert max(decoded) == (3500, 3000)


# --- earlier and other images ------------------------------------------------------------------


def test_own_webp_download_can_be_uploaded_again(owner_client: Client, owner: Member) -> None:
    picture = make_generation(Status.SUCCEEDED, owner=owner).pictures.get()
    preview = owner_client.get(f"/files/{picture.pk}/preview")
    response = send(owner_client, preview.getvalue(), "download.webp")
    assert changes_in(response) == "Converted from WebP."


def test_gallery_picture_is_normalized_like_an_upload(owner_client: Client, owner: Member) -> None:
    content = encode(Image.new("RGBA", (3000, 2000), (*RED, 90)), "PNG", exif=with_location())
    row = make_generation(Status.SUCCEEDED, owner=owner, image=lambda _index: content)
    response = owner_client.post("/", form_data(picture=row.pictures.get().pk), headers=HTMX)
    assert changes_in(response) == (
        "Scaled to 2048 × 1366 px, location removed, transparency filled with white."
    )
    assert (stored_image().size, stored_image().mode) == ((2048, 1366), "RGB")


def test_upload_of_an_earlier_release_can_be_used(owner_client: Client, owner: Member) -> None:
    earlier = ReferenceImage(
        owner=owner, name="a.jpg", content_type="image/jpeg", width=7000, height=300,
        size_bytes=3, sha256="0" * 64,
    )  # fmt: skip
    earlier.file.save("references/ab/earlier.jpg", ContentFile(b"any"))
    assert owner_client.post("/", form_data(reference=earlier.pk)).status_code == 303
    assert owner_client.get(f"/references/{earlier.pk}").status_code == 200


def test_changes_are_said_in_the_form_and_after_a_redirect(owner_client: Client) -> None:
    content = encode(halves(), "WEBP")
    assert changes_in(send(owner_client, content, prompt="")) == "Converted from WebP."
    image = SimpleUploadedFile("a.webp", content)
    response = owner_client.post("/", form_data(image=image), follow=True)
    assert '<p class="is-info">Converted from WebP.</p>' in response.content.decode()


def test_internal_address_is_refused_in_every_spelling(owner_client: Client) -> None:
    for host in ("127.0.0.1", "2130706433", "[::ffff:7f00:1]", "localhost", "nas.local", "0x7f.1"):
        url = f"https://{host}/a.png"
        page = owner_client.post("/", form_data(image_url=url), headers=HTMX).content.decode()
        error = page[page.index('id="image_url-error"') :].partition("</p>")[0]
        assert "This address is inside a private network." in error
        assert url in page
    assert not Generation.objects.exists()

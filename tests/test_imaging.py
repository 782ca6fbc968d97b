"""Previews, mean color and size of results: as a browser shows the original."""

import io

import pytest
from PIL import Image

from generations.worker.imaging import InvalidImage, ProcessedImage, process
from tests.images import GREEN, RED, SWAPPED_PROFILE, encode, halves, rotated


def preview_of(processed: ProcessedImage) -> Image.Image:
    return Image.open(io.BytesIO(processed.previews["preview"]))


def test_size_and_previews_are_upright() -> None:
    image = halves(400, 300)
    for form in ("JPEG", "PNG", "WEBP"):
        original = encode(image, form, exif=rotated())
        processed = process(original)
        preview = preview_of(processed).convert("RGB")
        assert (processed.width, processed.height) == preview.size == (300, 400)
        assert preview.getpixel((150, 50)) == pytest.approx(GREEN, abs=6)
        assert preview.getpixel((150, 350)) == pytest.approx(RED, abs=6)
        assert processed.original == original


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_loses_no_image() -> None:
    original = encode(
        Image.new("RGB", (40, 30), RED), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"
    )
    assert process(original).width == 40


def test_color_profile_is_applied() -> None:
    image = Image.new("RGB", (40, 30), (250, 10, 20))
    for form in ("JPEG", "PNG", "WEBP"):
        processed = process(encode(image, form, icc_profile=SWAPPED_PROFILE))
        red, green, _blue = bytes.fromhex(processed.colour[1:])
        assert green > 150 > red
        assert "icc_profile" not in preview_of(processed).info


def test_unusable_profile_is_ignored() -> None:
    processed = process(encode(Image.new("RGB", (40, 30), RED), "PNG", icc_profile=b"no profile"))
    assert processed.colour == "#c83c28"


def test_sixteen_bits_keep_their_brightness() -> None:
    processed = process(encode(Image.new("I;16", (40, 30), 30_000), "PNG"))
    assert processed.colour == "#757575"
    assert preview_of(processed).convert("L").getpixel((5, 5)) == pytest.approx(0x75, abs=3)


def test_transparency_is_white_in_the_mean_color_and_stays_in_previews() -> None:
    processed = process(encode(Image.new("RGBA", (40, 30), (0, 0, 0, 0)), "PNG"))
    assert processed.colour == "#ffffff"
    assert preview_of(processed).mode == "RGBA"
    opaque = process(encode(Image.new("RGBA", (40, 30), (*RED, 255)), "PNG"))
    assert (opaque.colour, preview_of(opaque).mode) == ("#c83c28", "RGB")


def test_transparent_palette_is_kept() -> None:
    image = Image.new("P", (40, 30), 0)
    image.putpalette([0, 0, 0, 200, 60, 40])
    image.paste(1, (0, 0, 20, 30))
    processed = process(encode(image, "PNG", transparency=0))
    assert preview_of(processed).convert("RGBA").getpixel((35, 5))[3] == 0  # type: ignore[index]
    assert processed.colour == "#e49e94"


def test_small_webp_is_its_own_preview_only_without_metadata() -> None:
    image = Image.new("RGB", (40, 30), RED)
    plain, with_exif = encode(image, "WEBP"), encode(image, "WEBP", exif=rotated())
    assert process(plain).previews["preview"] == plain
    assert process(with_exif).previews["preview"] != with_exif


def test_truncated_image_is_invalid() -> None:
    with pytest.raises(InvalidImage):
        process(encode(Image.new("RGB", (400, 300), RED), "JPEG")[:-100])

"""Puts a developed picture into the storage, durably, and tells the columns of its row."""

import hashlib
import os
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from generations.models import Picture

from .imaging import PREVIEW_WIDTHS, ProcessedImage

FIELDS = ("file", *PREVIEW_WIDTHS)


def save(processed: ProcessedImage) -> dict[str, Any]:
    """Put original and previews into the storage, durably; returns the columns of the row."""
    files = {"file": (processed.extension, processed.original)} | {
        field: ("webp", data) for field, data in processed.previews.items()
    }
    names: dict[str, str] = {}
    try:
        for field, (extension, data) in files.items():
            names[field] = _write_durably(Picture.new_file_name(extension), data)
    except BaseException:
        discard(names)  # a full disk must not fill up with halves
        raise
    return {
        **names,
        "content_type": processed.content_type,
        "width": processed.width,
        "height": processed.height,
        "size_bytes": len(processed.original),
        "sha256": hashlib.sha256(processed.original).hexdigest(),
        "colour": processed.colour,
    }


def discard(facts: dict[str, Any]) -> None:
    """Remove what `store` put there: another fetch of the same picture was first."""
    for field in FIELDS:
        if field in facts:
            default_storage.delete(facts[field])


def _write_durably(name: str, data: bytes) -> str:
    saved = default_storage.save(name, ContentFile(data))
    try:
        path = default_storage.path(saved)
    except NotImplementedError:
        return saved  # an object store answers only when it has it
    # The row will say "stored": after a power cut that must still be true.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return saved

"""Writes a processed picture and its previews to storage."""

import hashlib
import os
from typing import Any

from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from generations.models import Picture

from .imaging import PREVIEW_WIDTHS, ProcessedImage

FIELDS = ("file", *PREVIEW_WIDTHS)


def save(processed: ProcessedImage) -> dict[str, Any]:
    """Write the original and the previews durably; return the columns of the row."""
    files = {"file": (processed.extension, processed.original)} | {
        field: ("webp", data) for field, data in processed.previews.items()
    }
    names: dict[str, str] = {}
    try:
        for field, (extension, data) in files.items():
            names[field] = write_durably(Picture.new_file_name(extension), ContentFile(data))
    except BaseException:
        discard(names)  # partial results must not fill the disk
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


def discard(columns: dict[str, Any]) -> None:
    """Delete the files of `save`: another download of the same picture was recorded first."""
    for field in FIELDS:
        if field in columns:
            default_storage.delete(columns[field])


def write_durably(name: str, content: File) -> str:  # type: ignore[type-arg]  # not at run time
    """Write a file that survives a power failure; return the name that it was given."""
    saved = default_storage.save(name, content)
    try:
        path = default_storage.path(saved)
    except NotImplementedError:
        return saved  # an object store confirms only stored objects
    # The row will be marked as stored, which must be true even after a power failure.
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return saved

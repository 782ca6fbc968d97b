"""The files of the install: those that rows name, and those that the storage has."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from django.apps import apps
from django.core.files.storage import Storage, default_storage
from django.db import models

HASH = "sha256"  # a column of this name is the hash of the column `file`
ROWS_AT_ONCE = 2000
# What the storage itself may leave behind or need: hidden files, and the folder of a new disk.
_FOREIGN = re.compile(r"\.|lost\+found$")


class NamedFile(NamedTuple):
    """A file that a row names. `sha256` is empty where the row has no hash of it."""

    name: str
    sha256: str


def named() -> Iterator[NamedFile]:
    """Yield the files that any row names. A file that several rows name is repeated."""
    for model in apps.get_models():
        fields = [field for field in model._meta.fields if isinstance(field, models.FileField)]
        if not fields or model._meta.proxy:
            continue
        names = [field.name for field in fields]
        has_hash = any(field.name == HASH for field in model._meta.fields)
        columns = [*names, HASH] if has_hash else names
        rows = model._base_manager.order_by().values_list(*columns)
        for row in rows.iterator(chunk_size=ROWS_AT_ONCE):
            for column, name in zip(columns, row, strict=True):
                if name and column != HASH:
                    yield NamedFile(name, row[-1] if has_hash and column == "file" else "")


def stored(storage: Storage = default_storage, folder: str = "") -> Iterator[str]:
    """Yield the names of all files in the storage."""
    try:
        folders, files = storage.listdir(folder)
    except FileNotFoundError:
        return
    prefix = f"{folder}/" if folder else ""
    yield from (f"{prefix}{name}" for name in files if not _FOREIGN.match(name))
    for name in folders:
        if not _FOREIGN.match(name):
            yield from stored(storage, f"{prefix}{name}")


def is_empty() -> bool:
    return next(stored(), None) is None

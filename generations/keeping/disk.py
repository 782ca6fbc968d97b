"""How much a disk has left, and when that is little."""

import shutil
from pathlib import Path

LOW_BYTES = 10 * 2**30
CRITICAL_BYTES = 2**30


def free_bytes(folder: Path) -> int:
    """Of the disk of this folder, which may not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def device(folder: Path) -> int:
    """The number of the disk of this folder, which may not exist yet."""
    return _existing(folder).stat().st_dev


def _existing(folder: Path) -> Path:
    return next(each for each in (folder, *folder.parents) if each.exists())

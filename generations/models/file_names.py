"""Names of stored files."""

from uuid import uuid4


def random_file_name(folder: str, extension: str) -> str:
    """Return an unguessable name in one of 256 sub-folders of `folder`."""
    name = uuid4().hex
    return f"{folder}/{name[:2]}/{name}.{extension}"

"""A member of an archive as a file that Django's storages can save."""

import io
from collections.abc import Iterator

from django.core.files.base import File

from .archive import Member


class MemberFile(File):  # type: ignore[type-arg]  # a member has no type of its content
    """Read once, from its beginning to its end, in chunks."""

    def __init__(self, member: Member) -> None:
        super().__init__(io.BytesIO(), member.name)
        self._member = member

    @property
    def size(self) -> int:  # a writable property there
        return self._member.size

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        return self._member.chunks()

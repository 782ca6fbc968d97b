"""What an archive says about itself: its first member, backup.json."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self

from .errors import KeepingError

FORMAT = 1


@dataclass(frozen=True)
class Head:
    """`previous` are the ids of the archives that an incremental one needs, the oldest first."""

    id: str
    created_at: str  # ISO 8601, UTC
    version: str  # of klingweb
    database: str  # "sqlite" or "postgresql"
    upstream: str  # "simulator" or "live"
    migrations: list[str]  # "app.name", all that were applied
    counts: dict[str, int]  # rows, by table
    encryption_keys: list[str]  # fingerprints of those that stored secrets need
    has_encryption_key: bool
    uses_gateway: bool
    previous: list[str] = field(default_factory=list)
    format: int = FORMAT

    @property
    def is_incremental(self) -> bool:
        return bool(self.previous)

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Raises KeepingError."""
        try:
            values: Any = json.loads(content)
            newer = values["format"] != FORMAT
            known = {each.name for each in fields(cls)}
            head = cls(**{name: values[name] for name in known & values.keys()})
        except (ValueError, TypeError, KeyError, AttributeError):
            raise KeepingError("This is not a backup of klingweb: it has no valid head.") from None
        if newer:
            raise KeepingError(
                f"The archive was made by klingweb {head.version}, in another format. "
                "Restore it with that version."
            )
        return head

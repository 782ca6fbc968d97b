"""The error of an operation that was refused."""

from typing import Any


class OperationError(Exception):
    """Nothing was changed. `sentence` says why; `details` are for machines, `lines` for people."""

    def __init__(
        self,
        sentence: str,
        *,
        lines: list[str] | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__("\n".join([sentence, *(lines or [])]))
        self.sentence = sentence
        self.details = details or {}

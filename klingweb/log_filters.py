"""Filters for log handlers."""

import re
import threading
import time
from logging import WARNING, Filter, Formatter, LogRecord

REPEAT_SECONDS = 60.0
MAX_REMEMBERED = 500
_SECRET_IN_PATH = re.compile(r"(/invitations/|/accounts/reset/[^/\s]+/)[^/\s'\"?]+")


class RepeatedLines(Filter):
    """Counts identical warnings and errors instead of repeating them.

    A line is printed once a minute; the next time it says how often it was left out. Lines that
    differ in any value, such as a task id, are never left out.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._printed: dict[tuple[str, str], tuple[float, int]] = {}  # when, and repeats since

    def filter(self, record: LogRecord) -> bool:
        if record.levelno < WARNING:
            return True
        message, now = record.getMessage(), time.monotonic()
        key = record.name, f"{message} {record.exc_info and record.exc_info[1]!r}"
        with self._lock:
            printed_at, repeats = self._printed.get(key, (-REPEAT_SECONDS, 0))
            if now - printed_at < REPEAT_SECONDS:
                self._printed[key] = printed_at, repeats + 1
                return False
            self._printed.pop(key, None)
            while len(self._printed) >= MAX_REMEMBERED:
                del self._printed[next(iter(self._printed))]
            self._printed[key] = now, 0
        if repeats:
            record.msg, record.args = f"{message} (repeated {repeats} times)", ()
        return True


MIN_SECRET_CHARACTERS = 8  # the simulator's key is shorter, and may be part of a word
_secrets: set[str] = set()


def remember_secret(text: str) -> None:
    """Mask this text in the log of this process from now on."""
    if len(text) >= MIN_SECRET_CHARACTERS:
        _secrets.add(text)


class MaskedSecrets(Filter):
    """Masks API keys, also in tracebacks, and the secret of a link in the path of a request."""

    def filter(self, record: LogRecord) -> bool:
        if record.exc_info and not record.exc_text and _secrets:
            record.exc_text = _mask(Formatter().formatException(record.exc_info))
        message = record.getMessage()
        masked = _mask(message)
        if "/invitations/" in masked or "/accounts/reset/" in masked:
            masked = _SECRET_IN_PATH.sub(r"\1***", masked)
        if masked != message:
            record.msg, record.args = masked, ()
        return True


def _mask(text: str) -> str:
    for secret in tuple(_secrets):
        text = text.replace(secret, "***")
    return text

"""Filters for log handlers."""

import threading
import time
from logging import WARNING, Filter, Formatter, LogRecord

from klingweb.known_secrets import mask

REPEAT_SECONDS = 60.0
MAX_REMEMBERED = 500


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


class MaskedSecrets(Filter):
    """Masks API keys, also in tracebacks, and the secret of a link in the path of a request."""

    def filter(self, record: LogRecord) -> bool:
        if record.exc_info and not record.exc_text:
            record.exc_text = mask(Formatter().formatException(record.exc_info))
        message = record.getMessage()
        masked = mask(message)
        if masked != message:
            record.msg, record.args = masked, ()
        return True

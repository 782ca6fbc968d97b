"""What `manage.py doctor` has found: one line about one subject, with advice."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"  # soon a problem, or one only in some installs
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """`subject` is a word such as "storage"; `advice` says what to do, empty if all is well."""

    subject: str
    level: Level
    text: str
    advice: str = ""
    names: tuple[str, ...] = ()  # of files, the first ones


def ok(subject: str, text: str) -> Finding:
    return Finding(subject, Level.OK, text)


def warning(subject: str, text: str, advice: str, names: tuple[str, ...] = ()) -> Finding:
    return Finding(subject, Level.WARNING, text, advice, names)


def problem(subject: str, text: str, advice: str, names: tuple[str, ...] = ()) -> Finding:
    return Finding(subject, Level.PROBLEM, text, advice, names)

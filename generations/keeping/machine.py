"""Checks of the machine: settings, data folder, storage, disk and clock. They change nothing."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.checks import run_checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from generations import safe_start
from generations.models import Generation, Lease
from klingweb import data_folder

from .disk import CRITICAL_BYTES, LOW_BYTES, device, free_bytes
from .finding import Finding, ok, problem, warning

MAX_CLOCK_DIFFERENCE = timedelta(seconds=5)
SETTLED = timedelta(minutes=1)  # rows later than now by more are from another clock
PROBE = "doctor-probe"


def settings_findings() -> Iterator[Finding]:
    found = False
    for sentence in safe_start.problems():
        found = True
        yield problem("settings", sentence, "klingweb does not start with this setting.")
    for message in run_checks():
        found = True
        yield warning("settings", str(message.msg), str(message.hint or "See .env.example."))
    if not found:
        yield ok("settings", "The demo: no API key is set." if settings.DEMO else "Safe to start.")


def restore_findings() -> Iterator[Finding]:
    if sentence := data_folder.unfinished_restore(settings.DATA_DIR):
        yield problem("restore", sentence, "Until then klingweb does not start.")


def permission_findings() -> Iterator[Finding]:
    """The data folder and its files are of this user alone."""
    folder: Path = settings.DATA_DIR
    found = False
    private = ["klingweb.db", "secret-key", "encryption-key", "encryption-key-2"]
    for path in (folder, *(folder / name for name in private)):
        if not path.exists():
            continue
        state = path.stat()
        if state.st_uid != os.geteuid():
            found = True
            yield problem(
                "permissions",
                f"{path} belongs to user {state.st_uid}, but this command runs as user "
                f"{os.geteuid()}.",
                "Run it as the user that klingweb runs as, or give the folder to that user.",
            )
        if state.st_mode & data_folder.OPEN_TO_OTHERS:
            found = True
            mode = stat.filemode(state.st_mode)
            change = "700" if path.is_dir() else "600"
            yield problem(
                "permissions", f"Others may open {path} ({mode}).", f"Run: chmod {change} {path}"
            )
    if not found:
        yield ok("permissions", f"{folder} is open to this user alone.")


def storage_findings() -> Iterator[Finding]:
    """Write, read and delete a small file."""
    content = os.urandom(64)
    advice = f"Check the permissions of {settings.MEDIA_ROOT}, and its disk."
    try:
        name = default_storage.save(PROBE, ContentFile(content))
        try:
            with default_storage.open(name, "rb") as file:
                is_same = file.read() == content
            written_at = default_storage.get_modified_time(name)
        finally:
            default_storage.delete(name)
    except OSError as error:
        yield problem("storage", f"No file can be stored: {error.strerror or error}.", advice)
        return
    if not is_same:
        yield problem("storage", "A stored file came back with another content.", advice)
        return
    yield ok("storage", "A file was stored, read and deleted.")
    if abs(timezone.now() - written_at) > MAX_CLOCK_DIFFERENCE:
        yield warning("clock", "The clock of the storage differs from this one.", _SYNCHRONIZE)


def disk_findings() -> Iterator[Finding]:
    folders = {device(each): each for each in (Path(settings.MEDIA_ROOT), settings.DATA_DIR)}
    for folder in folders.values():
        free = free_bytes(folder)
        text = f"{filesizeformat(free)} left for {folder}.".replace("\xa0", " ")
        if free < CRITICAL_BYTES:
            yield problem("disk", text, "Free some space now: without it no image can be stored.")
        elif free < LOW_BYTES:
            yield warning("disk", text, "Free some space soon, or use the page Retention.")
        else:
            yield ok("disk", text)


_SYNCHRONIZE = "Synchronize the clocks of all machines, as with systemd-timesyncd or chrony."


def clock_findings() -> Iterator[Finding]:
    """The clock of the database's machine, and rows that are later than now."""
    now = timezone.now()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            difference = cursor.fetchone()[0] - now
        if abs(difference) > MAX_CLOCK_DIFFERENCE:
            seconds = difference.total_seconds()
            yield problem(
                "clock", f"The clock of the database differs by {seconds:.0f} s.", _SYNCHRONIZE
            )
            return
    if Generation.objects.filter(created_at__gt=now + SETTLED).exists():
        yield problem(
            "clock",
            "Requests are later than now: this clock is wrong, or was when they were made.",
            f"{_SYNCHRONIZE} Limits of days and months depend on it.",
        )
        return
    yield ok("clock", "No row is later than now.")


def worker_findings() -> Iterator[Finding]:
    heartbeat_at = Lease.last_heartbeat("worker")
    if heartbeat_at is None or timezone.now() - heartbeat_at > SETTLED:
        yield warning(
            "worker",
            f"No heartbeat since {heartbeat_at:%Y-%m-%d %H:%M} UTC."
            if heartbeat_at
            else "No heartbeat yet.",
            "If klingweb should be running, see its log; make run starts it.",
        )
    else:
        yield ok("worker", "Its heartbeat is recent.")

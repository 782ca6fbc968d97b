"""Identities of processes: unique among containers, and dead only when that is certain."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.utils import timezone

from generations.models import Lease, Status, is_dead
from generations.models.process import Place, ProcessId, identity, this_place, this_process
from generations.worker import submit
from tests.builders import make_generation, make_submission
from tests.installation import ROOT, wait_until

HERE = this_place()
CONTAINER = HERE._replace(namespace="4026539999")
OTHER_BOOT = HERE._replace(boot="00000000-0000-4000-8000-000000000000")

# Without Django: prints the identity of its process, then what it thinks of others.
SCRIPT = """
import runpy, sys
process = runpy.run_path("generations/models/process.py")
print(process["this_process"](), flush=True)
for holder in sys.stdin:
    print(process["is_dead"](holder.strip()), flush=True)
"""
UNSHARE = ["unshare", "--pid", "--fork", "--kill-child"]


def test_identity_fits_its_columns_and_can_be_read() -> None:
    parsed = ProcessId.parse(this_process())
    assert parsed
    assert str(parsed) == this_process()
    assert (parsed.place, parsed.pid) == (HERE, os.getpid())
    longest = identity(2**22, place=HERE._replace(host="h" * 64), started="9" * 20)
    assert len(longest) <= 200


def test_forked_process_has_an_identity_of_its_own() -> None:
    this_process()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(this_process()))
    child.start()
    forked = ProcessId.parse(receiver.recv())
    child.join()
    own = ProcessId.parse(this_process())
    assert forked and own
    assert (forked.pid, own.pid) == (child.pid, os.getpid())
    assert forked.token != own.token


@pytest.mark.parametrize("place", [CONTAINER, OTHER_BOOT], ids=["container", "other boot"])
def test_process_with_the_same_host_and_id_elsewhere_is_another_and_not_certainly_dead(
    place: Place,
) -> None:
    own = ProcessId.parse(this_process())
    assert own
    twin = own._replace(place=place)
    assert str(twin) != this_process()
    assert not is_dead(str(twin))
    assert not is_dead(str(twin._replace(started="1"))), "cannot be seen from here"
    assert is_dead(str(own._replace(started="1")))


@pytest.mark.parametrize("holder", ["demo", "a-host:4194305:1.00", "test:1:1", "", ":::::"])
def test_unknown_identity_and_that_of_an_earlier_release_are_not_certainly_dead(
    holder: str,
) -> None:
    assert not is_dead(holder)


def test_changed_host_name_hides_no_dead_process() -> None:
    renamed = HERE._replace(host="its-name-before")
    assert is_dead(identity(4194305, place=renamed, started="1"))
    assert not is_dead(identity(os.getpid(), place=renamed))


@pytest.mark.django_db
@pytest.mark.parametrize("place", [CONTAINER, OTHER_BOOT], ids=["container", "other boot"])
def test_post_of_a_process_that_cannot_be_seen_is_unconfirmed_only_after_its_deadline(
    place: Place,
) -> None:
    row = make_generation(Status.SUBMITTING, attempt=1)
    submission = make_submission(
        row,
        holder=identity(os.getpid(), place=place, started="1"),
        deadline_at=timezone.now() + timedelta(minutes=1),
    )
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.SUBMITTING
    submission.deadline_at = timezone.now()
    submission.save()
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


@pytest.mark.django_db
def test_holder_that_cannot_be_seen_has_died_when_its_lease_has_expired() -> None:
    holder = identity(os.getpid(), place=CONTAINER)
    soon = timezone.now() + timedelta(seconds=10)
    Lease.objects.create(name="poll", holder=holder, expires_at=soon)
    assert not Lease.holder_has_died("poll")
    assert not Lease.acquire("poll")
    Lease.objects.update(expires_at=timezone.now())
    assert Lease.holder_has_died("poll")
    assert Lease.acquire("poll")


# --- real PID namespaces -------------------------------------------------------------------------


def can_unshare() -> bool:
    if not shutil.which("unshare"):
        return False
    tried = subprocess.run([*UNSHARE, "--mount-proc", "true"], check=False, capture_output=True)
    return tried.returncode == 0


needs_namespaces = pytest.mark.skipif(
    not can_unshare(), reason="creating a PID namespace is not permitted here"
)


@contextmanager
def other_process(*prefix: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A process started with this prefix, and its identity."""
    command = [*prefix, sys.executable, "-c", SCRIPT]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip(), process
        process.kill()


def ask(process: subprocess.Popen[str], holder: str) -> str:
    """Ask this process whether the other one is dead."""
    assert process.stdin and process.stdout
    process.stdin.write(f"{holder}\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


@needs_namespaces
def test_live_processes_of_two_containers_never_take_each_other_for_dead() -> None:
    container = [*UNSHARE, "--mount-proc"]
    with other_process(*container) as (ann, first), other_process(*container) as (bob, second):
        ids = ProcessId.parse(ann), ProcessId.parse(bob)
        assert ids[0] and ids[1]
        assert ids[0].pid == ids[1].pid == 1
        assert ids[0].place.host == ids[1].place.host
        assert ann != bob
        for asked, holder in ((first, bob), (second, ann), (first, this_process())):
            assert ask(asked, holder) == "False"
        assert not is_dead(ann)
        assert ask(first, str(ids[0]._replace(pid=4194305))) == "True"


@needs_namespaces
def test_process_that_sees_another_namespace_in_proc_takes_nobody_for_dead() -> None:
    with other_process(*UNSHARE) as (inside, process):
        parsed = ProcessId.parse(inside)
        assert parsed
        assert parsed.place.namespace == ""
        assert ask(process, this_process()) == "False"
        assert ask(process, str(parsed._replace(pid=4194305))) == "False"
        assert not is_dead(inside)


def test_killed_process_of_this_machine_is_dead_at_once() -> None:
    with other_process() as (holder, process):
        assert not is_dead(holder)
        process.kill()
        wait_until(lambda: is_dead(holder), what="the killed process is dead")

"""The lease of a line of work: one holder at a time, nobody waits for the dead, shifts end."""

import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from generations.models import Lease, is_dead
from generations.models.process import _identity, this_process
from generations.worker.lease import LeasedLoop, stopping
from tests.installation import wait_until
from tests.worker_driver import DEAD_HOLDER, LIVE_HOLDER, REMOTE_HOLDER, REUSED_PID_HOLDER

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=10)


def held_by(holder: str, left: timedelta = SOON) -> Lease:
    return Lease.objects.create(name="poll", holder=holder, expires_at=timezone.now() + left)


@pytest.mark.parametrize("holder", [LIVE_HOLDER, REMOTE_HOLDER], ids=["alive", "far away"])
def test_a_second_taker_is_refused_until_the_lease_is_over(holder: str) -> None:
    slot = held_by(holder)
    assert not Lease.acquire("poll")
    Lease.objects.filter(pk=slot.pk).update(expires_at=timezone.now())
    assert Lease.acquire("poll")
    assert Lease.objects.get().holder == this_process()


@pytest.mark.parametrize(
    "holder", [DEAD_HOLDER, REUSED_PID_HOLDER], ids=["gone", "number used again"]
)
def test_a_dead_holder_is_succeeded_at_once(holder: str) -> None:
    held_by(holder)
    assert Lease.holder_has_died("poll")
    assert not Lease.is_held("poll")
    assert Lease.acquire("poll")
    assert not Lease.holder_has_died("poll")


def test_the_holder_renews_and_releases() -> None:
    assert Lease.acquire("poll")
    assert Lease.acquire("poll")
    assert Lease.is_held("poll")
    Lease.give_back("poll")
    assert not Lease.is_held("poll")


def test_nobody_releases_what_another_holds() -> None:
    held_by(LIVE_HOLDER)
    Lease.give_back("poll")
    assert Lease.is_held("poll")


def test_a_process_is_dead_once_it_is_killed_though_nobody_has_looked_yet() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        name = _identity(process.pid)
        assert not is_dead(name)
        process.kill()
        wait_until(lambda: is_dead(name), 10, "the killed process is dead")
    assert is_dead(name)
    assert not is_dead(this_process())


def test_one_kick_is_on_its_way_at_a_time_and_a_lost_one_is_sent_again() -> None:
    asked = [Lease.claim_wake_up("poll") for _ in range(20)]
    assert asked == [True] + [False] * 19
    Lease.objects.update(wake_up_sent_at=timezone.now() - Lease.WAKE_UP_TIMEOUT)
    assert Lease.claim_wake_up("poll")


def test_a_clock_that_jumped_back_loses_no_kick() -> None:
    assert Lease.claim_wake_up("poll")
    Lease.objects.update(wake_up_sent_at=timezone.now() + timedelta(hours=1))
    assert Lease.claim_wake_up("poll")


def test_nobody_kicks_whoever_is_at_work() -> None:
    Lease.acquire("poll")
    assert not Lease.claim_wake_up("poll")
    Lease.give_back("poll")
    assert Lease.claim_wake_up("poll")


@pytest.mark.parametrize("holder", [LIVE_HOLDER, DEAD_HOLDER], ids=["taken", "free"])
def test_a_kick_that_came_makes_room_for_the_next(holder: str) -> None:
    assert Lease.claim_wake_up("poll")
    Lease.objects.update(holder=holder, expires_at=timezone.now() + SOON)
    with loop():
        Lease.objects.update(holder="", expires_at=None)
        assert Lease.claim_wake_up("poll")


# --- a shift at the slot --------------------------------------------------------------------------


def loop(seconds: float = 60) -> LeasedLoop:
    return LeasedLoop("poll", lambda slot: None, seconds)


def test_a_shift_holds_the_slot_and_gives_it_back() -> None:
    with loop() as mine:
        assert mine.is_held
        assert mine.should_continue()
        assert Lease.is_held("poll")
    assert not Lease.is_held("poll")


def test_a_shift_ends_with_its_time_or_when_the_cluster_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with loop(seconds=0) as over:
        assert not over.should_continue()
    with loop() as stopped:
        monkeypatch.setattr(stopping, "value", 1)
        assert not stopped.should_continue()


def test_a_shift_that_lost_its_slot_ends_and_leaves_it_to_the_other() -> None:
    with loop() as late:
        other = {"holder": LIVE_HOLDER, "expires_at": timezone.now() + SOON}
        Lease.objects.update(**other)
        late.renew_at = 0
        assert not late.should_continue()
    assert Lease.objects.get().holder == LIVE_HOLDER


def test_a_shift_inherits_from_the_dead_only() -> None:
    held_by(DEAD_HOLDER)
    with loop() as heir:
        assert heir.previous_holder_died
    with loop() as next_one:
        assert not next_one.previous_holder_died

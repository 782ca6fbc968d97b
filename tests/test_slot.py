"""The lease of a line of work: one holder at a time, nobody waits for the dead, shifts end."""

import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from generations.models import Slot, is_dead
from generations.models.process import _identity, this_process
from generations.worker.shift import Shift, stopping
from tests.house import wait_until
from tests.worker_driver import ALIVE, FAR_AWAY, NOBODY, SOMEBODY_ELSE

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=10)


def held_by(holder: str, left: timedelta = SOON) -> Slot:
    return Slot.objects.create(name="pump", holder=holder, until=timezone.now() + left)


@pytest.mark.parametrize("holder", [ALIVE, FAR_AWAY], ids=["alive", "far away"])
def test_a_second_taker_is_refused_until_the_lease_is_over(holder: str) -> None:
    slot = held_by(holder)
    assert not Slot.take("pump")
    Slot.objects.filter(pk=slot.pk).update(until=timezone.now())
    assert Slot.take("pump")
    assert Slot.objects.get().holder == this_process()


@pytest.mark.parametrize("holder", [NOBODY, SOMEBODY_ELSE], ids=["gone", "number used again"])
def test_a_dead_holder_is_succeeded_at_once(holder: str) -> None:
    held_by(holder)
    assert Slot.is_orphaned("pump")
    assert not Slot.is_held("pump")
    assert Slot.take("pump")
    assert not Slot.is_orphaned("pump")


def test_the_holder_renews_and_releases() -> None:
    assert Slot.take("pump")
    assert Slot.take("pump")
    assert Slot.is_held("pump")
    Slot.release("pump")
    assert not Slot.is_held("pump")


def test_nobody_releases_what_another_holds() -> None:
    held_by(ALIVE)
    Slot.release("pump")
    assert Slot.is_held("pump")


def test_a_process_is_dead_once_it_is_killed_though_nobody_has_looked_yet() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        name = _identity(process.pid)
        assert not is_dead(name)
        process.kill()
        wait_until(lambda: is_dead(name), 10, "the killed process is dead")
    assert is_dead(name)
    assert not is_dead(this_process())


def test_one_kick_is_on_its_way_at_a_time_and_a_lost_one_is_sent_again() -> None:
    asked = [Slot.claim_kick("pump") for _ in range(20)]
    assert asked == [True] + [False] * 19
    Slot.objects.update(kicked_at=timezone.now() - Slot.KICK_LOST)
    assert Slot.claim_kick("pump")


def test_a_clock_that_jumped_back_loses_no_kick() -> None:
    assert Slot.claim_kick("pump")
    Slot.objects.update(kicked_at=timezone.now() + timedelta(hours=1))
    assert Slot.claim_kick("pump")


def test_nobody_kicks_whoever_is_at_work() -> None:
    Slot.take("pump")
    assert not Slot.claim_kick("pump")
    Slot.release("pump")
    assert Slot.claim_kick("pump")


@pytest.mark.parametrize("holder", [ALIVE, NOBODY], ids=["taken", "free"])
def test_a_kick_that_came_makes_room_for_the_next(holder: str) -> None:
    assert Slot.claim_kick("pump")
    Slot.objects.update(holder=holder, until=timezone.now() + SOON)
    with shift():
        Slot.objects.update(holder="", until=None)
        assert Slot.claim_kick("pump")


# --- a shift at the slot --------------------------------------------------------------------------


def shift(seconds: float = 60) -> Shift:
    return Shift("pump", lambda slot: None, seconds)


def test_a_shift_holds_the_slot_and_gives_it_back() -> None:
    with shift() as mine:
        assert mine.is_mine
        assert mine.goes_on()
        assert Slot.is_held("pump")
    assert not Slot.is_held("pump")


def test_a_shift_ends_with_its_time_or_when_the_cluster_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with shift(seconds=0) as over:
        assert not over.goes_on()
    with shift() as stopped:
        monkeypatch.setattr(stopping, "value", 1)
        assert not stopped.goes_on()


def test_a_shift_that_lost_its_slot_ends_and_leaves_it_to_the_other() -> None:
    with shift() as late:
        other = {"holder": ALIVE, "until": timezone.now() + SOON}
        Slot.objects.update(**other)
        late.renew_at = 0
        assert not late.goes_on()
    assert Slot.objects.get().holder == ALIVE


def test_a_shift_inherits_from_the_dead_only() -> None:
    held_by(NOBODY)
    with shift() as heir:
        assert heir.inherits
    with shift() as next_one:
        assert not next_one.inherits

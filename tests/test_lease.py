"""Leases and leased loops: one holder at a time, wake-ups, and when a loop ends."""

import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone

from generations.models import Lease, is_dead
from generations.models.process import identity, this_process
from generations.worker.lease import LeasedLoop, stopping
from tests.installation import wait_until
from tests.worker_driver import DEAD_HOLDER, LIVE_HOLDER, REMOTE_HOLDER, REUSED_PID_HOLDER

pytestmark = pytest.mark.django_db

SOON = timedelta(seconds=10)


def held_by(holder: str, left: timedelta = SOON) -> Lease:
    return Lease.objects.create(name="poll", holder=holder, expires_at=timezone.now() + left)


@pytest.mark.parametrize(
    "holder", [LIVE_HOLDER, REMOTE_HOLDER], ids=["live process", "another machine"]
)
def test_lease_of_a_live_holder_can_be_acquired_after_it_expires(holder: str) -> None:
    lease = held_by(holder)
    assert not Lease.acquire("poll")
    Lease.objects.filter(pk=lease.pk).update(expires_at=timezone.now())
    assert Lease.acquire("poll")
    assert Lease.objects.get().holder == this_process()


@pytest.mark.parametrize(
    "holder", [DEAD_HOLDER, REUSED_PID_HOLDER], ids=["dead", "reused process id"]
)
def test_lease_of_a_dead_process_can_be_acquired_immediately(holder: str) -> None:
    held_by(holder)
    assert Lease.holder_has_died("poll")
    assert not Lease.is_held("poll")
    assert Lease.acquire("poll")
    assert not Lease.holder_has_died("poll")


def test_holder_can_renew_and_give_back_its_lease() -> None:
    assert Lease.acquire("poll")
    assert Lease.acquire("poll")
    assert Lease.is_held("poll")
    Lease.give_back("poll")
    assert not Lease.is_held("poll")


def test_lease_of_another_process_cannot_be_given_back() -> None:
    held_by(LIVE_HOLDER)
    Lease.give_back("poll")
    assert Lease.is_held("poll")


def test_killed_process_is_dead_before_it_is_reaped() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        name = identity(process.pid)
        assert not is_dead(name)
        process.kill()
        wait_until(lambda: is_dead(name), 10, "the killed process is dead")
    assert is_dead(name)
    assert not is_dead(this_process())


def test_one_wake_up_is_sent_at_a_time_and_repeated_after_a_timeout() -> None:
    claims = [Lease.claim_wake_up("poll") for _ in range(20)]
    assert claims == [True] + [False] * 19
    Lease.objects.update(wake_up_sent_at=timezone.now() - Lease.WAKE_UP_TIMEOUT)
    assert Lease.claim_wake_up("poll")


def test_wake_up_is_sent_after_the_clock_was_set_back() -> None:
    assert Lease.claim_wake_up("poll")
    Lease.objects.update(wake_up_sent_at=timezone.now() + timedelta(hours=1))
    assert Lease.claim_wake_up("poll")


def test_no_wake_up_is_sent_while_the_lease_is_held() -> None:
    Lease.acquire("poll")
    assert not Lease.claim_wake_up("poll")
    Lease.give_back("poll")
    assert Lease.claim_wake_up("poll")


@pytest.mark.parametrize("holder", [LIVE_HOLDER, DEAD_HOLDER], ids=["held", "free"])
def test_arrived_wake_up_allows_the_next(holder: str) -> None:
    assert Lease.claim_wake_up("poll")
    Lease.objects.update(holder=holder, expires_at=timezone.now() + SOON)
    with loop():
        Lease.objects.update(holder="", expires_at=None)
        assert Lease.claim_wake_up("poll")


# --- leased loops ------------------------------------------------------------------------------


def loop(seconds: float = 60) -> LeasedLoop:
    return LeasedLoop("poll", lambda name: None, seconds)


def test_loop_holds_the_lease_and_gives_it_back() -> None:
    with loop() as running:
        assert running.is_held
        assert running.should_continue()
        assert Lease.is_held("poll")
    assert not Lease.is_held("poll")


def test_loop_ends_after_its_time_or_when_the_cluster_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with loop(seconds=0) as over:
        assert not over.should_continue()
    with loop() as stopped:
        monkeypatch.setattr(stopping, "value", 1)
        assert not stopped.should_continue()


def test_loop_without_its_lease_ends_and_keeps_the_other_holder() -> None:
    with loop() as late:
        other = {"holder": LIVE_HOLDER, "expires_at": timezone.now() + SOON}
        Lease.objects.update(**other)
        late.renew_at = 0
        assert not late.should_continue()
    assert Lease.objects.get().holder == LIVE_HOLDER


def test_loop_knows_whether_the_previous_holder_died() -> None:
    held_by(DEAD_HOLDER)
    with loop() as second:
        assert second.previous_holder_died
    with loop() as third:
        assert not third.previous_holder_died

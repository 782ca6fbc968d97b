"""A batch of claimed rows: the gap between submits, a pause meanwhile, an error in the middle."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.utils import timezone

from generations.models import ApiKey, Generation, Member, Status, Submission, UpstreamGate
from generations.worker import submit
from tests.builders import make_generation, make_member
from tests.simulator import Simulator
from tests.worker_driver import run_loops

pytestmark = pytest.mark.django_db


def make_rows(count: int, **gate: object) -> None:
    """Queue rows of different people, at an upstream that answers."""
    UpstreamGate.for_engine()
    UpstreamGate.objects.update(answered_at=timezone.now(), **gate)
    for number in range(count):
        make_generation(owner=make_member(), prompt=f"pear {number}")


def statuses() -> list[str]:
    return list(Generation.objects.order_by("pk").values_list("status", flat=True))


def sent(upstream: Simulator) -> list[str]:
    return [each["prompt"] for each in upstream.requests("submit")]


def test_with_a_long_gap_only_the_row_to_send_is_claimed(upstream: Simulator) -> None:
    make_rows(3, own_submit_gap_seconds=30)
    run_loops("submit")
    run_loops("submit")
    assert (sent(upstream), statuses()[1:]) == (["pear 0"], [Status.QUEUED] * 2)
    Submission.objects.update(sent_at=timezone.now() - timedelta(seconds=31))
    run_loops("submit")
    assert sent(upstream) == ["pear 0", "pear 1"]
    assert statuses()[2] == Status.QUEUED


def test_pause_between_two_submits_stops_the_second(upstream: Simulator, admin: Member) -> None:
    make_rows(2, own_submit_gap_seconds=30)
    run_loops("submit")
    UpstreamGate.for_engine().pause(admin, "Enough")
    Submission.objects.update(sent_at=timezone.now() - timedelta(seconds=31))
    run_loops("submit")
    assert (sent(upstream), statuses()[1]) == (["pear 0"], Status.QUEUED)


def test_error_in_a_batch_queues_again_what_was_not_sent(
    upstream: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_rows(4)

    def fail(_key: int | None) -> bool:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patched:
        patched.setattr(ApiKey.objects, "is_usable", fail)
        with pytest.raises(OperationalError):
            run_loops("submit")
    assert statuses()[1:] == [Status.QUEUED] * 3
    Submission.objects.filter(outcome="sent").update(deadline_at=timezone.now())
    submit.sweep()
    assert statuses()[1:] == [Status.QUEUED] * 3
    assert len(sent(upstream)) <= 1

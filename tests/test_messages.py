"""The texts of cards: every state has one, and every text is used."""

from itertools import product
from typing import Any

import pytest
from django.utils import timezone
from django.utils.functional import Promise
from pytest_django import Settings

from generations.models import Failure, Member, Status
from generations.web.cards.card import cards_of
from generations.web.cards.messages import (
    ACTION_MESSAGES,
    CHARGE_MESSAGES,
    STATE_MESSAGES,
    WAIT_MESSAGES,
    Charge,
    Wait,
)
from generations.web.cards.progress import Progress
from generations.web.cards.state import CardState
from generations.web.formats import format_datetime
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

FLUX: dict[str, Any] = {"engine": "flux", "model": "flux-1.1-pro"}


def state_of(
    viewer: Member,
    status: Status,
    progress: Progress | None = None,
    *,
    paid_before: bool = False,
    was_not_received: bool = False,
    **columns: Any,
) -> CardState:
    row = make_generation(status, owner=viewer, **columns)
    row.shown_pictures = list(row.pictures.all())
    return CardState(row, viewer, progress or Progress(), paid_before, was_not_received)


def not_listed(viewer: Member) -> CardState:
    """Done, but Kling listed one image less than requested."""
    state = state_of(viewer, Status.SUCCEEDED, n=2)
    state.row.n = 3
    return state


@pytest.fixture
def states(owner: Member, admin: Member, settings: Settings) -> list[CardState]:
    """Every status, mark, failure and charge, for its owner and for an admin."""
    settings.UPSTREAM_LOOKUP = "reference"
    now = timezone.now()
    found = [state_of(viewer, status) for viewer, status in product((owner, admin), Status)]
    for viewer in (owner, admin):
        found += [
            state_of(viewer, Status.QUEUED, Progress(position=1)),
            state_of(viewer, Status.QUEUED, Progress(position=3)),
            state_of(viewer, Status.RUNNING, late_at=now),
            state_of(viewer, Status.RUNNING, late_at=now, poll_failures=1),
            state_of(viewer, Status.RUNNING, late_at=now, first_not_found_at=now),
            state_of(viewer, Status.RUNNING, late_at=now, next_poll_at=now, key_missing_since=now),
            state_of(viewer, Status.RUNNING, lost_at=now),
            state_of(viewer, Status.RUNNING, lost_at=now, first_not_found_at=now),
            state_of(viewer, Status.RUNNING, lost_at=now, results_without_images=4),
            state_of(viewer, Status.SUCCEEDED, n=2, stored=1),
            state_of(viewer, Status.UNCONFIRMED, next_poll_at=now),
            state_of(viewer, Status.UNCONFIRMED, **FLUX),
            state_of(viewer, Status.FAILED, failure=Failure.FILES, **FLUX),
            state_of(viewer, Status.ABANDONED, next_poll_at=now),
            state_of(viewer, Status.CANCELED, attempt=1),
            state_of(viewer, Status.CANCELED, attempt=1, paid_before=True),
            state_of(viewer, Status.FAILED, failure=Failure.OURS, was_not_received=True),
        ]
        found.append(state_of(viewer, Status.FETCHING, Progress(until=now), n=2))
        for failure in (Failure.POLICY, Failure.REFUSED):
            url = "https://example.com/a.png"
            found.append(state_of(viewer, Status.FAILED, failure=failure, reference_url=url))
        for failure in Failure:
            found.append(state_of(viewer, Status.FAILED, failure=failure))
            task_id = f"task-{failure}-{viewer.pk}"
            found.append(state_of(viewer, Status.FAILED, failure=failure, upstream_task_id=task_id))
    return [*found, not_listed(owner)]


def test_every_state_has_a_message_and_every_message_is_used(states: list[CardState]) -> None:
    assert {state.message_key for state in states} == set(STATE_MESSAGES)


def test_every_state_can_be_rendered_in_full(states: list[CardState]) -> None:
    for state in states:
        assert state.headline
        for text in (state.headline, state.reason, *state.notes):
            assert "%(" not in text
            assert "  " not in text


def test_every_charge_has_a_message_and_is_used(
    states: list[CardState], owner: Member, settings: Settings
) -> None:
    for setting in ("yes", "no", "unknown"):
        settings.FAILED_IS_CHARGED = setting
        failed = state_of(owner, Status.FAILED, upstream_task_id=f"task-{setting}")
        assert failed.charge  # read with this setting
        states.append(failed)
    assert {state.charge for state in states} - {None} == set(CHARGE_MESSAGES) == set(Charge)


def test_charge_is_part_of_the_text(states: list[CardState]) -> None:
    for state in states:
        if state.charge:
            assert str(CHARGE_MESSAGES[state.charge]) in " ".join((state.reason, *state.notes))


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.SUCCEEDED])
def test_open_and_complete_generations_say_nothing_about_a_charge(
    owner: Member, status: Status
) -> None:
    assert state_of(owner, status).charge is None


def test_every_wait_has_a_message(owner: Member) -> None:
    assert set(WAIT_MESSAGES) == set(Wait)
    for wait in Wait:
        until = timezone.now() if "%(time)s" in str(WAIT_MESSAGES[wait]) else None
        state = state_of(owner, Status.QUEUED, Progress(wait=wait, until=until))
        time = format_datetime(until, "H:i:s") if until else ""
        assert state.waiting == str(WAIT_MESSAGES[wait]) % {"time": time, "engine": "Kling"}


def test_every_action_has_a_button_and_is_offered(states: list[CardState]) -> None:
    assert {action for state in states for action in state.actions} == set(ACTION_MESSAGES)


def test_every_text_is_translated_lazily() -> None:
    texts: list[Any] = [*CHARGE_MESSAGES.values(), *WAIT_MESSAGES.values()]
    texts += [action.label for action in ACTION_MESSAGES.values()]
    for message in STATE_MESSAGES.values():
        texts.append(message.headline)
        optional = (message.explanation, message.advice, message.admin_advice)
        texts += [text for text in optional if text]
    assert all(isinstance(text, Promise) for text in texts)


def test_states_that_need_attention_and_done_ones_are_announced(
    owner: Member,
) -> None:
    def announcement_of(status: Status, **columns: Any) -> str:
        row = make_generation(status, owner=owner, prompt="Dunes", **columns)
        return cards_of([row], owner, None)[0].announcement

    assert announcement_of(Status.SUCCEEDED) == "The image is ready: Dunes"
    assert announcement_of(Status.SUCCEEDED, n=2) == "2 images are ready: Dunes"
    assert announcement_of(Status.SUCCEEDED, n=3, stored=2) == "2 of 3 images ready: Dunes"
    assert announcement_of(Status.FAILED) == "Rejected by the content check: Dunes"
    assert announcement_of(Status.UNCONFIRMED) == "Unconfirmed: Dunes"
    assert announcement_of(Status.RUNNING, late_at=timezone.now()).startswith("Taking longer")
    assert announcement_of(Status.RUNNING, lost_at=timezone.now()).startswith(
        "No result from Kling"
    )
    for quiet in (Status.QUEUED, Status.RUNNING, Status.FETCHING, Status.CANCELED):
        assert announcement_of(quiet) == ""

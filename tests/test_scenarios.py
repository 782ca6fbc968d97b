"""Every known behaviour of the upstream, and how a generation ends under it."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pytest_django import Settings

from generations.models import Failure, Generation, Picture, Status, UpstreamGate
from generations.worker import download
from klingweb.simulator.scenarios import ANSWERS, SCENARIOS
from tests.builders import make_admin, make_generation
from tests.conftest import client_for
from tests.simulator import Simulator
from tests.worker_driver import describe_rows, is_idle, make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class End:
    """How one generation of two pictures ends.

    `held` is the hold reason after the first POST; a probe ends that hold. `hold_reason` is the
    reason at the end. `params` are the scenario's, to save time; `settings` are ours.
    """

    status: Status
    failure: str = ""
    mark: str = ""
    stored: int = 0
    posts: int = 1
    held: str = ""
    hold_reason: str = ""
    params: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    download_seconds: float = 30


SUCCEEDED = End(Status.SUCCEEDED, stored=2)
ONE_STORED = replace(SUCCEEDED, stored=1)
RETRIED = replace(SUCCEEDED, posts=3)
UNCONFIRMED = End(Status.UNCONFIRMED)
POLICY = End(Status.FAILED, Failure.POLICY)
INPUT = End(Status.FAILED, Failure.INPUT)
OURS = End(Status.FAILED, Failure.OURS)
NO_FILES = End(Status.FAILED, Failure.FILES)
QUICKLY = {"seconds_from": 0.05, "seconds_to": 0.05}
FAILED_QUICKLY = replace(INPUT, params=QUICKLY)


def held(reason: str) -> End:
    """A hold loses no request: the same row is sent again after it."""
    return replace(SUCCEEDED, posts=2, held=reason)


ENDS: dict[str, End] = {
    # 1 to 4, 24, 25: normal tasks, failures, and forms of task ids
    "normal": SUCCEEDED,
    "slow-tail": replace(
        SUCCEEDED,
        mark="late",
        params={"seconds_from": 2, "seconds_to": 2},
        settings={"LATE_SECONDS": 0},
    ),
    "never-ends": End(Status.RUNNING, mark="late", settings={"LATE_SECONDS": 0}),
    "failed-pixel": FAILED_QUICKLY,
    "failed-moderation": replace(POLICY, params=QUICKLY),
    "failed-no-reason": replace(OURS, params=QUICKLY),
    "status-regression": SUCCEEDED,
    **dict.fromkeys(
        ("id-base64url", "id-digits", "id-kling", "id-task", "id-long", "id-unsafe"), SUCCEEDED
    ),
    # 5 to 12: refused
    **dict.fromkeys(("content-refused", "ok-1301", "wrapped-1301"), POLICY),
    **dict.fromkeys(("bad-parameter", "task-failed-word"), INPUT),
    **dict.fromkeys(("submit-1200", "submit-1201"), INPUT),
    **dict.fromkeys(("submit-1202", "submit-1203"), OURS),
    **dict.fromkeys(("submit-1300", "submit-1301"), POLICY),
    "too-many": RETRIED,
    "too-fast": replace(SUCCEEDED, posts=4),
    "too-fast-retry-after": replace(RETRIED, params={"retry_after": 0.1, "refusals": 2}),
    **dict.fromkeys(("no-channel", "empty-429", "saturated", "ok-1303"), RETRIED),
    **dict.fromkeys(("wrapped-1303", "submit-1302", "submit-1303"), RETRIED),
    **dict.fromkeys(("submit-5000", "submit-5001"), RETRIED),
    **dict.fromkeys(("pack-empty", "key-used-up"), held("account")),
    **dict.fromkeys(("quota-not-enough", "user-quota-not-enough"), held("account")),
    **dict.fromkeys(("submit-1100", "submit-1101", "submit-1102"), held("account")),
    **dict.fromkeys(("key-refused-openai", "key-refused-one-api"), held("key")),
    "payment-required": held("account"),
    "firewall-page": held("address"),
    **{f"submit-{code}": held("key") for code in range(1000, 1005)},
    "submit-1103": held("rights"),
    **dict.fromkeys(("address-refused", "submit-1304"), held("address")),
    # 13 to 15: sent, result unknown. Where the upstream supports lookups, existing tasks are found
    # (tests/test_lookup.py); otherwise a person decides.
    "answer-late": replace(
        UNCONFIRMED, params={"answer_seconds": 5}, settings={"SUBMIT_DEADLINE_SECONDS": 0.5}
    ),
    **dict.fromkeys(("cut-after-accept", "cut-before-accept", "half-answer"), UNCONFIRMED),
    **dict.fromkeys(("html-200", "html-502", "html-504", "html-524"), UNCONFIRMED),
    **dict.fromkeys(("empty-200", "empty-502", "broken-json"), UNCONFIRMED),
    **dict.fromkeys(("no-task-id", "direct-data", "facade-failed"), UNCONFIRMED),
    **dict.fromkeys(("not-reached", "panic", "submit-5002"), UNCONFIRMED),
    # 16: queries without a usable response
    "query-not-exist-10s": replace(SUCCEEDED, params={"for_seconds": 0.3}),
    "query-never-exists": End(
        Status.RUNNING, mark="lost", params={"polls": 10**9}, settings={"DOUBT_SECONDS": 0.2}
    ),
    "query-429-retry-after": replace(SUCCEEDED, params={"retry_after": 0.1, "polls": 2}),
    "query-silent": replace(SUCCEEDED, params={"silent_seconds": 0.2, "polls": 1}),
    **dict.fromkeys(("query-500-twice", "query-502-html", "query-200-html"), SUCCEEDED),
    **dict.fromkeys(("query-empty", "query-429-empty", "query-saturated"), SUCCEEDED),
    **dict.fromkeys(("query-broken-json", "query-no-status", "query-cut"), SUCCEEDED),
    **dict.fromkeys(("query-lying-not-found", "query-ok-5000", "query-wrapped-1303"), SUCCEEDED),
    **{f"query-{code}": SUCCEEDED for code in (*range(1200, 1204), 1300, 1301, 1302, 1303)},
    **{f"query-{code}": SUCCEEDED for code in range(5000, 5003)},
    # A later good query shows that the key and the address are accepted again.
    **dict.fromkeys(("query-401-openai", "query-1304"), SUCCEEDED),
    **{f"query-{code}": SUCCEEDED for code in range(1000, 1005)},
    **{f"query-{code}": SUCCEEDED for code in range(1100, 1104)},
    # 17 to 21: other spellings and shapes
    "spelling-crazy": ONE_STORED,
    **dict.fromkeys(("spelling-anyf", "spelling-upper", "spelling-completed"), SUCCEEDED),
    **dict.fromkeys(("spelling-empty", "spelling-unknown"), SUCCEEDED),
    **dict.fromkeys(("code-text-zero", "code-success", "code-null", "seconds", "bare"), SUCCEEDED),
    **dict.fromkeys(("failed-crazy", "failed-anyf"), replace(POLICY, params=QUICKLY)),
    "failed-upper": FAILED_QUICKLY,
    **dict.fromkeys(("image-ids", "image-shuffled", "image-duplicate"), SUCCEEDED),
    "image-fewer": ONE_STORED,
    "image-none-at-first": SUCCEEDED,
    **dict.fromkeys(("image-none", "image-odd-scheme"), End(Status.RUNNING, mark="lost")),
    **dict.fromkeys(("fail-reason-url", "outer-behind"), SUCCEEDED),
    "gateway-gave-up": replace(OURS, failure=Failure.TIME),
    # 22: the file host
    **dict.fromkeys(("file-403-later", "file-403-once", "file-cut-once"), SUCCEEDED),
    **dict.fromkeys(("file-500-twice", "file-429-twice"), SUCCEEDED),
    **dict.fromkeys(("file-octets", "file-jpeg", "file-redirect-good"), SUCCEEDED),
    "file-one-404": ONE_STORED,
    **dict.fromkeys(("file-404", "file-410", "file-truncated", "file-half"), NO_FILES),
    "file-endless": NO_FILES,
    **dict.fromkeys(
        ("file-slow", "file-silent", "file-huge"), replace(NO_FILES, download_seconds=0.3)
    ),
    **dict.fromkeys(("file-empty", "file-html", "file-html-as-png", "file-svg"), NO_FILES),
    **dict.fromkeys(("file-bomb", "file-gzip-bomb"), NO_FILES),
    **{f"file-redirect-{where}": NO_FILES for where in ("private", "scheme", "loop")},
}


def test_every_scenario_has_an_expected_end() -> None:
    assert set(ENDS) == set(SCENARIOS) - set(ANSWERS)


_CONDITIONS: dict[str, Any] = {"params": {}, "settings": {}, "download_seconds": 30}


@pytest.mark.parametrize("name", ENDS)
def test_scenario_ends_as_expected(
    name: str, upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = ENDS[name]
    # given an upstream with this behaviour
    for setting, value in end.settings.items():
        setattr(settings, setting, value)
    monkeypatch.setattr(download, "DOWNLOAD_SECONDS", end.download_seconds)
    monkeypatch.setattr(download, "MAX_BYTES", 2**20)
    if end.params:
        upstream.scenario(name, times=None, **end.params)
    row = make_generation(prompt=f"a red door, simulate: {name}", n=2)
    # when the worker has no more work
    run_worker(lambda: is_idle() or _runs_forever(end))
    if end.held:
        assert _current_state(upstream) == (Status.QUEUED, 1, 0, end.held), describe_rows()
        make_probe_due()
        run_worker()
    # then the row has the expected end
    row.refresh_from_db()
    assert _end_of(row, upstream) == replace(end, held="", **_CONDITIONS), describe_rows()
    _check_requests(row, upstream)
    _check_page(row, end)


# What the owner's page says about each end, and about the charge.
PAGE_TEXTS: dict[tuple[str, str], tuple[str, str]] = {
    (Status.UNCONFIRMED, ""): ("Unconfirmed", "You were probably charged"),
    (Status.FAILED, Failure.POLICY): ("Rejected by the content check", "charged"),
    (Status.FAILED, Failure.INPUT): ("Invalid request", "charged"),
    (Status.FAILED, Failure.OURS): ("Failed on our side", "charged"),
    (Status.FAILED, Failure.TIME): ("Generation took too long", "charged"),
    (Status.FAILED, Failure.FILES): ("Images ready, download failed", "paid"),
    (Status.RUNNING, "late"): ("Taking longer than usual", "We keep checking"),
    (Status.RUNNING, "lost"): ("Checking again is free", "charged."),
}


def _check_page(row: Generation, end: End) -> None:
    page = " ".join(client_for(row.owner).get(f"/generations/{row.pk}/").content.decode().split())
    if end.status == Status.SUCCEEDED:
        assert page.count('class="frame is-stored"') == end.stored
        assert ("1 of 2 images ready" in page) == (end.stored == 1)
    else:
        headline, charge = PAGE_TEXTS[end.status, end.failure or end.mark]
        if end.failure in (Failure.INPUT, Failure.OURS) and row.upstream_task_id:
            headline = "Kling could not generate this"
        assert headline in page
        assert charge in page
    # raw responses are shown to admins only
    answered = row.submissions.exclude(response="").exists()
    assert "API log" not in page
    page_of_admin = client_for(make_admin()).get(f"/generations/{row.pk}/").content.decode()
    assert ("API log" in page_of_admin) or not answered


def _runs_forever(end: End) -> bool:
    return end.status == Status.RUNNING and Generation.objects.get().is_late


def _current_state(upstream: Simulator) -> tuple[str, int, int, str]:
    row = Generation.objects.get()
    return row.status, row.attempt, len(upstream.tasks()), UpstreamGate.for_engine().hold_reason


def _end_of(row: Generation, upstream: Simulator) -> End:
    return End(
        status=Status(row.status),
        failure=row.failure,
        mark="lost" if row.lost_at else "late" if row.late_at else "",
        stored=row.pictures.filter(state=Picture.State.STORED).count(),
        posts=len([post for post in upstream.requests("submit") if post["prompt"] == row.prompt]),
        hold_reason=UpstreamGate.for_engine().hold_reason,
    )


def _check_requests(row: Generation, upstream: Simulator) -> None:
    assert len(upstream.tasks()) <= 1, "charged twice"
    assert not any(file["authorization"] for file in upstream.requests("file")), (
        "the key was sent to a file host"
    )
    if row.is_final:
        assert row.finished_at
        queried_at = [query["wall"] for query in upstream.requests("query")]
        assert max(queried_at, default=0) < row.finished_at.timestamp()
    if row.status != Status.RUNNING or row.is_lost:
        before = upstream.requests()
        run_loops()
        assert upstream.requests() == before, "queried after the end"

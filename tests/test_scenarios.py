"""Every way the upstream is known to behave, and the end each of them comes to."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from pytest_django import Settings

from generations.models import Failure, Generation, Picture, Status, UpstreamGate
from generations.worker import fetch
from klingweb.simulator.scenarios import SCENARIOS
from tests.builders import make_admin, make_generation
from tests.conftest import browser_of
from tests.simulator import Simulator
from tests.worker_driver import describe_rows, is_idle, make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class End:
    """Where one generation of two pictures ends, and what it took.

    `held`: what the line was on hold for after the first POST; it is opened again then.
    `params` are the simulator's, so that nothing takes minutes; `settings` are ours.
    """

    status: Status
    failure: str = ""
    mark: str = ""
    stored: int = 0
    posts: int = 1
    held: str = ""
    trouble: str = ""  # that the line still has at the end
    params: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    download_seconds: float = 30


MADE = End(Status.SUCCEEDED, stored=2)
ONE_MADE = replace(MADE, stored=1)
REFUSED_FOR_NOW = replace(MADE, posts=3)
UNCONFIRMED = End(Status.UNCONFIRMED)
POLICY = End(Status.FAILED, Failure.POLICY)
INPUT = End(Status.FAILED, Failure.INPUT)
OURS = End(Status.FAILED, Failure.OURS)
NO_FILE = End(Status.FAILED, Failure.FILES)
SOON = {"seconds_from": 0.05, "seconds_to": 0.05}
FAILED_SOON = replace(INPUT, params=SOON)


def held(trouble: str) -> End:
    """Nothing is burnt: the same row is sent again when the line opens."""
    return replace(MADE, posts=2, held=trouble)


ENDS: dict[str, End] = {
    # 1 to 4, 24, 25: how a task lives, ends and is called
    "normal": MADE,
    "slow-tail": replace(
        MADE, mark="late", params={"seconds_from": 2, "seconds_to": 2}, settings={"LATE_SECONDS": 0}
    ),
    "never-ends": End(Status.RUNNING, mark="late", settings={"LATE_SECONDS": 0}),
    "failed-pixel": FAILED_SOON,
    "failed-moderation": replace(POLICY, params=SOON),
    "failed-no-reason": replace(OURS, params=SOON),
    "status-regression": MADE,
    **dict.fromkeys(
        ("id-base64url", "id-digits", "id-kling", "id-task", "id-long", "id-unsafe"), MADE
    ),
    # 5 to 12: refused
    **dict.fromkeys(("content-refused", "ok-1301", "wrapped-1301"), POLICY),
    **dict.fromkeys(("bad-parameter", "task-failed-word"), INPUT),
    **dict.fromkeys(("submit-1200", "submit-1201"), INPUT),
    **dict.fromkeys(("submit-1202", "submit-1203"), OURS),
    **dict.fromkeys(("submit-1300", "submit-1301"), POLICY),
    "too-many": REFUSED_FOR_NOW,
    "too-fast": replace(MADE, posts=4),
    "too-fast-retry-after": replace(REFUSED_FOR_NOW, params={"retry_after": 0.1, "refusals": 2}),
    **dict.fromkeys(("no-channel", "empty-429", "saturated", "ok-1303"), REFUSED_FOR_NOW),
    **dict.fromkeys(("wrapped-1303", "submit-1302", "submit-1303"), REFUSED_FOR_NOW),
    **dict.fromkeys(("submit-5000", "submit-5001"), REFUSED_FOR_NOW),
    **dict.fromkeys(("pack-empty", "key-used-up"), held("account")),
    **dict.fromkeys(("quota-not-enough", "user-quota-not-enough"), held("account")),
    **dict.fromkeys(("submit-1100", "submit-1101", "submit-1102"), held("account")),
    **dict.fromkeys(("key-refused-openai", "key-refused-one-api"), held("key")),
    **{f"submit-{code}": held("key") for code in range(1000, 1005)},
    "submit-1103": held("rights"),
    **dict.fromkeys(("address-refused", "submit-1304"), held("address")),
    # 13 to 15: sent, and nobody knows. Those whose task exists are found where the upstream can be
    # asked (tests/test_lookup.py); else a person decides.
    "answer-late": replace(
        UNCONFIRMED, params={"answer_seconds": 5}, settings={"SUBMIT_DEADLINE_SECONDS": 0.5}
    ),
    **dict.fromkeys(("cut-after-accept", "cut-before-accept", "half-answer"), UNCONFIRMED),
    **dict.fromkeys(("html-200", "html-502", "html-504", "html-524"), UNCONFIRMED),
    **dict.fromkeys(("empty-200", "empty-502", "broken-json"), UNCONFIRMED),
    **dict.fromkeys(("no-task-id", "direct-data", "facade-failed"), UNCONFIRMED),
    **dict.fromkeys(("not-reached", "panic", "submit-5002"), UNCONFIRMED),
    # 16: queries that say nothing of the task
    "query-not-exist-10s": replace(MADE, params={"for_seconds": 0.3}),
    "query-never-exists": End(
        Status.RUNNING, mark="lost", params={"polls": 10**9}, settings={"DOUBT_SECONDS": 0.2}
    ),
    "query-429-retry-after": replace(MADE, params={"retry_after": 0.1, "polls": 2}),
    "query-silent": replace(MADE, params={"silent_seconds": 0.2, "polls": 1}),
    **dict.fromkeys(("query-500-twice", "query-502-html", "query-200-html"), MADE),
    **dict.fromkeys(("query-empty", "query-429-empty", "query-saturated"), MADE),
    **dict.fromkeys(("query-broken-json", "query-no-status", "query-cut"), MADE),
    **dict.fromkeys(("query-lying-not-found", "query-ok-5000", "query-wrapped-1303"), MADE),
    **{f"query-{code}": MADE for code in (*range(1200, 1204), 1300, 1301, 1302, 1303)},
    **{f"query-{code}": MADE for code in range(5000, 5003)},
    # A later good query shows that the key and the address are accepted again.
    **dict.fromkeys(("query-401-openai", "query-1304"), MADE),
    **{f"query-{code}": MADE for code in range(1000, 1005)},
    # It says nothing of money and rights: the next submit is let through after the gap.
    **{f"query-{code}": replace(MADE, trouble="account") for code in (1100, 1101, 1102)},
    "query-1103": replace(MADE, trouble="rights"),
    # 17 to 21: told in other words
    "spelling-crazy": ONE_MADE,
    **dict.fromkeys(("spelling-anyf", "spelling-upper", "spelling-completed"), MADE),
    **dict.fromkeys(("spelling-empty", "spelling-unknown"), MADE),
    **dict.fromkeys(("code-text-zero", "code-success", "code-null", "seconds", "bare"), MADE),
    **dict.fromkeys(("failed-crazy", "failed-anyf"), replace(POLICY, params=SOON)),
    "failed-upper": FAILED_SOON,
    **dict.fromkeys(("image-ids", "image-shuffled", "image-duplicate"), MADE),
    "image-fewer": ONE_MADE,
    "image-none-at-first": MADE,
    **dict.fromkeys(("image-none", "image-odd-scheme"), OURS),
    **dict.fromkeys(("fail-reason-url", "outer-behind"), MADE),
    "gateway-gave-up": replace(OURS, failure=Failure.TIME),
    # 22: the file host
    **dict.fromkeys(("file-403-later", "file-403-once", "file-cut-once"), MADE),
    **dict.fromkeys(("file-500-twice", "file-429-twice"), MADE),
    **dict.fromkeys(("file-octets", "file-jpeg", "file-redirect-good"), MADE),
    "file-one-404": ONE_MADE,
    **dict.fromkeys(("file-404", "file-410", "file-truncated", "file-half"), NO_FILE),
    "file-endless": NO_FILE,
    **dict.fromkeys(
        ("file-slow", "file-silent", "file-huge"), replace(NO_FILE, download_seconds=0.3)
    ),
    **dict.fromkeys(("file-empty", "file-html", "file-html-as-png", "file-svg"), NO_FILE),
    **dict.fromkeys(("file-bomb", "file-gzip-bomb"), NO_FILE),
    **{f"file-redirect-{where}": NO_FILE for where in ("private", "scheme", "loop")},
}


def test_no_scenario_is_forgotten() -> None:
    assert set(ENDS) == set(SCENARIOS)


_GIVEN: dict[str, Any] = {"params": {}, "settings": {}, "download_seconds": 30}


@pytest.mark.parametrize("name", ENDS)
def test_a_scenario_ends_as_it_should(
    name: str, upstream: Simulator, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = ENDS[name]
    # given an upstream like that
    for setting, value in end.settings.items():
        setattr(settings, setting, value)
    monkeypatch.setattr(fetch, "DOWNLOAD_SECONDS", end.download_seconds)
    monkeypatch.setattr(fetch, "MAX_BYTES", 2**20)
    if end.params:
        upstream.scenario(name, times=None, **end.params)
    row = make_generation(prompt=f"a red door, simulate: {name}", n=2)
    # when the worker has done what it can
    run_worker(lambda: is_idle() or _is_watched_for_ever(end))
    if end.held:
        assert _so_far(upstream) == (Status.QUEUED, 1, 0, end.held), describe_rows()
        make_probe_due()
        run_worker()
    # then it stands where it should
    row.refresh_from_db()
    assert _end_of(row, upstream) == replace(end, held="", **_GIVEN), describe_rows()
    _nothing_forbidden_was_asked(row, upstream)
    _its_owner_reads_what_happened(row, end)


# What the owner reads on the page of each end, and what it says of the money.
TOLD: dict[tuple[str, str], tuple[str, str]] = {
    (Status.UNCONFIRMED, ""): ("Sent, but no answer came", "probably been charged"),
    (Status.FAILED, Failure.POLICY): ("Not made: the content check said no", "charged"),
    (Status.FAILED, Failure.INPUT): ("Not made: Kling", "charged"),
    (Status.FAILED, Failure.OURS): ("Not made:", "charged"),
    (Status.FAILED, Failure.TIME): ("Not made: it took too long", "charged"),
    (Status.FAILED, Failure.FILES): ("Made, but the files did not come", "paid"),
    (Status.RUNNING, "late"): ("Later than usual", "send nothing twice"),
    (Status.RUNNING, "lost"): ("Kling does not find it any more", "may have been charged"),
}


def _its_owner_reads_what_happened(row: Generation, end: End) -> None:
    page = " ".join(browser_of(row.owner).get(f"/generations/{row.pk}/").content.decode().split())
    if end.status == Status.SUCCEEDED:
        assert page.count('class="frame is-stored"') == end.stored
        assert ("1 of 2 came" in page) == (end.stored == 1)
    else:
        headline, money = TOLD[end.status, end.failure or end.mark]
        assert headline in page
        assert money in page
    # the raw answers are for admins alone
    answered = row.submissions.exclude(response="").exists()
    assert "What went over the wire" not in page
    admin_client = browser_of(make_admin()).get(f"/generations/{row.pk}/").content.decode()
    assert ("What went over the wire" in admin_client) or not answered


def _is_watched_for_ever(end: End) -> bool:
    return end.status == Status.RUNNING and Generation.objects.get().is_late


def _so_far(upstream: Simulator) -> tuple[str, int, int, str]:
    row = Generation.objects.get()
    return row.status, row.attempt, len(upstream.tasks()), UpstreamGate.for_engine().hold_reason


def _end_of(row: Generation, upstream: Simulator) -> End:
    return End(
        status=Status(row.status),
        failure=row.failure,
        mark="lost" if row.lost_at else "late" if row.late_at else "",
        stored=row.pictures.filter(state=Picture.State.STORED).count(),
        posts=len([post for post in upstream.requests("submit") if post["prompt"] == row.prompt]),
        trouble=UpstreamGate.for_engine().hold_reason,
    )


def _nothing_forbidden_was_asked(row: Generation, upstream: Simulator) -> None:
    assert len(upstream.tasks()) <= 1, "paid twice"
    assert not any(file["authorization"] for file in upstream.requests("file")), "the key leaked"
    if row.is_final:
        assert row.finished_at
        asked = [query["wall"] for query in upstream.requests("query")]
        assert max(asked, default=0) < row.finished_at.timestamp()
    if row.status != Status.RUNNING or row.is_lost:
        before = upstream.requests()
        run_loops()
        assert upstream.requests() == before, "asked after the end"

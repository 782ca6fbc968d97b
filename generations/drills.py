"""Fault drills of the demo: requests that meet a fault, and what it cost.

The fault is bound to one request: the simulator reads its name, or a control call names the
request's key, and the key is in the prompt of that request alone. Only the drill of a killed
worker touches a process: the one that polls and the one that downloads, here on this machine.
"""

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from django.conf import settings
from django.db import connection
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import offer_for
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Lease,
    Member,
    Picture,
    Status,
)
from generations.models.money import LedgerEntry
from generations.requests import GenerationRequest, create

logger = logging.getLogger(__name__)

KEY_PREFIX = "drill-"
AFTER_PREFIX = "drill."  # the first text behind all keys
CONTROL_SECONDS = 2.0
KILL_WAIT_SECONDS = 60.0  # for the drill's task to be in progress
KILLED_LOOPS = ("poll", "fetch")  # these repeat what they did; a submit would stay unconfirmed
MAX_RUNS = 10


class SimulatorAway(Exception):
    """The simulator does not answer its control calls."""


@dataclass(frozen=True)
class Drill:
    """`scenario` is the simulator's; `params` change it, by a control call for this request."""

    slug: str
    title: str | Promise
    description: str | Promise
    scenario: str = "normal"
    params: Mapping[str, float] = field(default_factory=dict)
    kills_worker: bool = False


DRILLS = (
    Drill(
        "lost-connection",
        _("Lost connection"),
        _(
            "The gateway accepts the request, and the connection is cut before its answer. "
            "The request stays unconfirmed: it is not sent a second time unless you decide so."
        ),
        scenario="cut-after-accept",
    ),
    Drill(
        "slow",
        _("Slow answer"),
        _("The gateway answers after 15 seconds. Others pass it, and nothing is sent again."),
        scenario="answer-late",
        params={"answer_seconds": 15},
    ),
    Drill(
        "refused",
        _("Refused"),
        _("The content check refuses the prompt. What was reserved is released."),
        scenario="content-refused",
    ),
    Drill(
        "empty-account",
        _("Empty account"),
        _(
            "The account is empty at the first try. Generation is on hold for everyone, for about "
            "a minute; then the same request tests the account and is accepted."
        ),
        scenario="pack-empty",
    ),
    Drill(
        "worker-killed",
        _("Worker killed"),
        _(
            "The processes that poll and download are killed while the image is in progress. "
            "New ones continue: the image arrives, and nothing is sent again."
        ),
        kills_worker=True,
    ),
)
BY_SLUG = {drill.slug: drill for drill in DRILLS}


# --- starting ------------------------------------------------------------------------------------


def start(drill: Drill, member: Member) -> Generation:
    """Request one private image that meets the fault. Raises what `create` raises, SimulatorAway.

    For the drill of a killed worker, a thread waits for the task and kills.
    """
    key = f"{KEY_PREFIX}{int(time.time() * 1000)}-{drill.slug}"
    named = f", simulate: {drill.scenario}"
    if drill.params:
        body = {"name": drill.scenario, "match": key, "params": dict(drill.params)}
        _control("POST", "scenario", body)
        named = ""
    prompt = f"A red lighthouse, fault drill {key}{named}"
    request = GenerationRequest(prompt, offer_for().default_aspect_ratio, is_private=True)
    generation = create(member, request, key)
    AuditEntry.objects.record(AuditAction.DEMO_CHANGED, member, on=generation, label=drill.title)
    if drill.kills_worker:
        threading.Thread(target=_kill_in_thread, args=(generation.pk, member), daemon=True).start()
    return generation


def _kill_in_thread(pk: int, by: Member) -> None:
    try:
        kill_worker_of(pk, by)
    except Exception:
        logger.exception("The drill could not kill the worker")
    finally:
        connection.close()


def kill_worker_of(pk: int, by: Member) -> int:
    """Wait for this task to be in progress, then kill the processes that poll and download.

    Return how many were killed. None on another machine, in another container, or of ours.
    """
    ends_at = time.monotonic() + KILL_WAIT_SECONDS
    while time.monotonic() < ends_at:
        row = Generation.objects.only("status").get(pk=pk)
        if row.is_final:
            return 0
        if row.status in (Status.RUNNING, Status.FETCHING):
            killed = [name for name in KILLED_LOOPS if Lease.kill_holder(name)]
            if killed:
                note = f"killed: {', '.join(killed)}"
                AuditEntry.objects.record(
                    AuditAction.DEMO_CHANGED, by, on=row, label="Worker killed", note=note
                )
                logger.info("The drill of generation %d %s", pk, note)
                return len(killed)
        time.sleep(0.1)
    return 0


# --- what happened -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """One drill with its counts. Those of the simulator are None while it does not answer."""

    drill: Drill
    generation: Generation
    requests: int  # that we sent
    requests_received: int | None  # by the simulator
    tasks: int | None  # at the simulator
    images: int  # stored here
    charges: int  # how often it was charged
    was_killed: bool

    @property
    def is_open(self) -> bool:
        """Whether figures may still change without a person."""
        return not self.generation.is_final and self.generation.status != Status.UNCONFIRMED

    @property
    def was_paid_twice(self) -> bool:
        return self.charges > 1 or (self.tasks or 0) > 1


def runs_of(member: Member) -> list[Run]:
    """The member's latest drills, newest first. Asks the simulator, and nothing else."""
    rows = Generation.objects.filter(
        owner=member, idempotency_key__gt=KEY_PREFIX, idempotency_key__lt=AFTER_PREFIX
    )
    latest = list(rows.order_by("-idempotency_key").defer("last_response")[:MAX_RUNS])
    return list(_runs(latest))


def _runs(rows: list[Generation]) -> Iterator[Run]:
    pks = [row.pk for row in rows]
    charges = _charges(pks)
    notes = AuditEntry.objects.filter(
        action=AuditAction.DEMO_CHANGED, target_type="generation", target_id__in=map(str, pks)
    )
    killed = {entry.target_id for entry in notes if entry.note}
    is_away = False
    for row in rows:
        received = tasks = None
        if not is_away:
            try:
                received, tasks = _seen_by_simulator(row.idempotency_key)
            except SimulatorAway:
                is_away = True
        slug = row.idempotency_key.split("-", 2)[2]
        if slug in BY_SLUG:
            yield Run(
                drill=BY_SLUG[slug],
                generation=row,
                requests=row.submissions.count(),
                requests_received=received,
                tasks=tasks,
                images=row.pictures.filter(state=Picture.State.STORED).count(),
                charges=charges.get(row.pk, 0),
                was_killed=str(row.pk) in killed,
            )


def _charges(pks: list[int]) -> dict[int, int]:
    """How often each generation was charged. A charge has an entry in each period, of one key."""
    charged = LedgerEntry.objects.filter(generation_id__in=pks, charged_images__gt=0)
    keys = set(charged.values_list("generation_id", "key"))
    return {pk: sum(1 for each, _key in keys if each == pk) for pk in pks}


def _seen_by_simulator(key: str) -> tuple[int, int]:
    """How many submits of this request the simulator has received, and how many tasks it has."""
    match = quote(key)
    submits = _control("GET", f"requests?kind=submit&match={match}")
    return len(submits), len(_control("GET", f"tasks?match={match}"))


def _control(method: str, call: str, body: Mapping[str, Any] | None = None) -> Any:
    """Call the simulator's control API on this machine."""
    address = urlsplit(settings.UPSTREAM_URL)
    simulator = HTTPConnection(
        address.hostname or "127.0.0.1", address.port or 80, timeout=CONTROL_SECONDS
    )
    try:
        simulator.request(method, f"/_control/{call}", json.dumps(body) if body else None)
        response = simulator.getresponse()
        content = response.read()
        if response.status != 200:
            raise SimulatorAway(f"HTTP {response.status}")
        return json.loads(content)
    except (OSError, HTTPException, ValueError) as error:
        raise SimulatorAway(str(error)) from error
    finally:
        simulator.close()

"""Whether requests may be sent upstream now, and why not: one row per engine and API key."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop, pgettext_lazy

from generations.engines import base
from generations.engines.base import BusyReason

from .api_key import ApiKey
from .audit_entry import AuditAction, AuditEntry
from .member import Member
from .upstream_gate_base import DEFAULT_ENGINE, ReportSource, UpstreamGateBase

Gate = TypeVar("Gate", bound=UpstreamGateBase)


@dataclass(frozen=True)
class SentRequest:
    """What the gate needs to know of a submit, to tell one person's trouble from everybody's."""

    generation_id: int
    owner_id: int
    sent_at: datetime
    images_in_flight: int = 0  # at the response; needed for a `SlowDown`


class UpstreamGate(UpstreamGateBase):
    """Decides whether a request may be sent to one engine with one API key now, and why not.

    Combines a concurrency limit, a rate limit (`silent_until`, `submit_not_before`), a circuit
    breaker (a hold, with its reason and next probe) and a pause set by an admin.

    A fault of one request must not stop the others. So a refusal for now delays all submits only
    after several requests in a row, and a hold caused by one request or person is tested at once by
    those of others.
    """

    # What pages say besides: `with_others` sets it.
    other_holds: "tuple[UpstreamGate, ...]" = ()  # of other engines
    others_go_on = False

    @property
    def holds(self) -> "list[UpstreamGate]":
        """The gates on hold: this one, and those of other engines."""
        return [*([self] if self.is_held else []), *self.other_holds]

    class Meta:
        verbose_name = _("upstream gate")
        verbose_name_plural = _("upstream gates")
        constraints = [
            models.UniqueConstraint(
                fields=["upstream", "engine", "api_key"], name="upstreamgate_api_key_uniq"
            ),
            models.UniqueConstraint(
                fields=["upstream", "engine"],
                condition=Q(api_key=None),
                name="upstreamgate_upstream_engine_uniq",
            ),
        ]

    def __str__(self) -> str:
        state = (
            str(self.get_hold_reason_display())
            if self.is_held
            else str(pgettext_lazy("gate", "open"))
        )
        return f"{self.engine} ({self.upstream}): {state}"

    # --- which gate ------------------------------------------------------------------------------

    @classmethod
    def for_engine(cls, engine: str = DEFAULT_ENGINE) -> Self:
        """Return the gate of the key that new requests use. Creates the row.

        Without a usable key, it is a gate on hold for that.
        """
        gates = cls._in_order(engine)
        if gates:
            return cls.preferred(gates)
        gate = cls.for_key(None, engine)
        if gate.hold_reason != cls.HoldReason.NO_KEY:
            gate.hold(cls.HoldReason.NO_KEY)
        return gate

    @classmethod
    def preferred(cls, gates: "list[Gate]") -> "Gate":
        """Return the first, or the reserve while only the first is on hold for its key or account.

        Without a reserve among them, it is the first.
        """
        first, *reserve = gates
        if first.hold_reason in first.REASONS_OF_KEY and reserve and not reserve[0].is_held:
            return reserve[0]
        return first

    @classmethod
    def in_turn(cls, engine: str = DEFAULT_ENGINE) -> list[Self]:
        """The gates to submit through, in this order; empty without a usable key.

        That of the reserve follows only while the first is on hold for its key or account: then
        the first may still be tested, and gets the requests again when its hold has ended.
        """
        gates = cls._in_order(engine)
        return gates if gates and gates[0].hold_reason in cls.REASONS_OF_KEY else gates[:1]

    @classmethod
    def for_key(cls, api_key: int | None, engine: str = DEFAULT_ENGINE) -> Self:
        """Return the gate of this key at the current upstream. Creates the row.

        A pause is for all, limit and gap are those of the engine: a new gate takes them over.
        """
        same = cls.objects.filter(upstream=settings.UPSTREAM_MODE, engine=engine)
        gate = same.filter(api_key=api_key).first()
        if gate is not None:
            return gate
        paused = cls.of_all_engines().filter(paused_at__isnull=False)
        pause = paused.values("paused_at", "paused_by_id", "pause_reason").first()
        limits = same.order_by("-pk").values("own_concurrency_limit", "own_submit_gap_seconds")
        return cls.objects.get_or_create(
            upstream=settings.UPSTREAM_MODE,
            engine=engine,
            api_key_id=api_key,
            defaults=(pause or {}) | (limits.first() or {}),
        )[0]

    @classmethod
    def _in_order(cls, engine: str) -> list[Self]:
        keys, known = ApiKey.objects.in_order(), {}
        for gate in cls.objects.filter(upstream=settings.UPSTREAM_MODE, engine=engine):
            known[gate.api_key_id] = gate
            if keys and gate.hold_reason == cls.HoldReason.NO_KEY:
                gate.clear()  # there is one again
        return [known.get(key) or cls.for_key(key, engine) for key in keys]

    @classmethod
    def current_or_none(cls, engine: str = DEFAULT_ENGINE) -> "UpstreamGate | None":
        """Return the gate, or None before its first use. For pages: creates nothing."""
        gates = {gate.api_key_id: gate for gate in cls.of_engine(engine)}
        return _current(gates, ApiKey.objects.in_order())

    @classmethod
    def of_engine(cls, engine: str = DEFAULT_ENGINE) -> "models.QuerySet[UpstreamGate]":
        """The gates of all keys of this engine at the current upstream."""
        return cls._default_manager.filter(upstream=settings.UPSTREAM_MODE, engine=engine)

    @classmethod
    def of_all_engines(cls) -> "models.QuerySet[UpstreamGate]":
        """The gates of all keys and engines at the current upstream."""
        return cls._default_manager.filter(upstream=settings.UPSTREAM_MODE)

    @classmethod
    def with_others(cls, engines: Collection[str]) -> "UpstreamGate | None":
        """Return the gate of the default engine as `current_or_none`, with the holds of others.

        `engines` are those in use. Of these, it knows which are on hold and whether any goes on. If
        only others have a gate on hold, it is a new one, which is not stored.
        """
        keys = ApiKey.objects.in_order()
        known: defaultdict[str, dict[int | None, UpstreamGate]] = defaultdict(dict)
        for each in cls.of_all_engines():
            known[each.engine][each.api_key_id] = each
        gates = {engine: _current(known[engine], keys) for engine in {*engines, DEFAULT_ENGINE}}
        default = gates.pop(DEFAULT_ENGINE)
        held = [gate for engine in sorted(gates) if (gate := gates[engine]) and gate.is_held]
        in_use = [default if engine == DEFAULT_ENGINE else gates[engine] for engine in engines]
        # Without a gate, nothing was sent yet: the same key may fail there.
        goes_on = any(gate is None or not gate.is_held for gate in in_use)
        for gate in [default, *held]:
            if gate:
                gate.others_go_on = goes_on and gate.hold_reason != cls.HoldReason.NO_KEY
        if held:
            default = default or cls()
            default.other_holds = tuple(held)
        return default

    @classmethod
    def held_besides(cls, engine: str) -> "list[UpstreamGate]":
        """The gates of other engines that are on hold."""
        others = cls.of_all_engines().exclude(engine=engine)
        return list(others.exclude(hold_reason="").order_by("engine", "pk"))

    @classmethod
    def lock_all(cls, engine: str = "") -> "list[UpstreamGate]":
        """Lock the gates of all keys, always in the same order, until the transaction ends.

        Without an engine: those of all engines.
        """
        gates = cls.of_engine(engine) if engine else cls.of_all_engines()
        return list(gates.order_by("pk").select_for_update(of=("self",)))

    @classmethod
    def silent_keys(cls, engine: str = DEFAULT_ENGINE) -> set[int | None]:
        """The keys for which a Retry-After is in effect."""
        silent = cls.of_engine(engine).filter(silent_until__gt=timezone.now())
        return set(silent.values_list("api_key", flat=True))

    # --- outcomes of calls: only these start or end a wait, a silence or a hold ------------------

    def report_submit(self, error: Exception | None, sent: SentRequest) -> None:
        """Apply the outcome of a submit: None for a success, else the error. Locks the row."""
        self.lock()
        if self.is_held and not self._confirms_hold(error):
            self.probe_again()
        match error:
            case None:
                self._record_answer(sent, ends_hold=True)
            case base.RequestRefused():
                # An empty account may refuse a prompt before it looks at the balance.
                is_proof = self.hold_reason != self.HoldReason.ACCOUNT
                self._record_answer(sent, ends_hold=is_proof)
            case base.NotSent():
                self.wait(self.backoff_seconds(), is_busy=False)
            case base.SlowDown():
                self._slow_down(error, sent)
            case base.OnHold():
                self.hold(error.reason, _response_of(error), suspect_request=sent.generation_id)
            case _:
                self._count_unanswered(error, sent)

    def _confirms_hold(self, error: Exception | None) -> bool:
        """Whether this is the problem that the hold is for, as far as it can be seen."""
        match self.hold_reason:
            case self.HoldReason.UNREACHED:
                return isinstance(error, base.Unanswered | base.NotSent)
            case self.HoldReason.BUSY | self.HoldReason.MODEL:
                return isinstance(error, base.SlowDown)
        return isinstance(error, base.OnHold)

    def report(self, *outcomes: Exception | None, source: ReportSource) -> None:
        """Apply the outcomes of queries. They can start a silence or a hold.

        A poll can also end a hold, if a query has started it.
        """
        for error in outcomes:
            if isinstance(error, base.SlowDown) and error.wait_seconds is not None:
                self.stay_silent(error.wait_seconds)
        refusals = [error for error in outcomes if isinstance(error, base.OnHold)]
        self.refresh_from_db()
        if None in outcomes:  # so a refusal is about one task only
            self._update(~Q(refused_queries=0), refused_queries=0)
            self._update(~Q(silences_in_a_row=0) & self._is_not_silent(), silences_in_a_row=0)
            if source is ReportSource.POLL and self.is_ended_by_queries:
                self.clear()
        elif refusals and not self.is_held:
            self._update(Q(), refused_queries=F("refused_queries") + len(refusals))
            if self.refused_queries >= self.MAX_REFUSED_QUERIES:
                self.hold(refusals[0].reason, _response_of(refusals[0]), by=source)

    @property
    def is_ended_by_queries(self) -> bool:
        """Whether a successful query ends the hold: what a submit has shown, only a submit ends."""
        by_query = self.held_by not in ("", ReportSource.SUBMIT)
        return by_query and self.hold_reason in self.REASONS_ENDED_BY_QUERIES

    def _record_answer(self, sent: SentRequest, *, ends_hold: bool) -> None:
        """End waits, and a hold that began before the request was sent."""
        is_newer = Q(answered_at=None) | Q(answered_at__lt=sent.sent_at)
        self._update(is_newer, answered_at=sent.sent_at)
        was_sent_after = self.held_at is None or sent.sent_at > self.held_at
        if not self.is_held or (ends_hold and was_sent_after):
            self.clear()

    def _slow_down(self, error: base.SlowDown, sent: SentRequest) -> None:
        if error.wait_seconds is not None:
            self.stay_silent(error.wait_seconds)
        refused = dict.fromkeys([*self.refused_requests, sent.generation_id])
        self._update(
            Q(),
            refused_requests=list(refused)[-self.MAX_REFUSED :],
            busy_reason=error.reason.value,
        )
        is_full = error.reason is BusyReason.CONCURRENCY
        if is_full or (self.is_busy and error.reason is BusyReason.UNKNOWN):
            self.shrink(sent.images_in_flight, sent.sent_at)
        if not self.is_busy or (is_full and sent.images_in_flight):
            return  # the request alone waits, or the limit decides
        self.wait(self.backoff_seconds())
        reasons = {
            BusyReason.UNKNOWN: self.HoldReason.BUSY,
            BusyReason.NO_CHANNEL: self.HoldReason.MODEL,
        }
        busy_for = timezone.now() - (self.busy_since or timezone.now())
        if error.reason in reasons and busy_for > self.MAX_BUSY:
            self.hold(reasons[error.reason], error.response)

    def _count_unanswered(self, error: Exception, sent: SentRequest) -> None:
        """Hold after several in a row: with a wrong URL, every further submit may be charged.

        Those of one person, shortly after good answers to others, make only that person wait.
        """
        owners = list(dict.fromkeys([*self.unanswered_owners, sent.owner_id]))
        self._update(
            Q(), unanswered_in_a_row=F("unanswered_in_a_row") + 1, unanswered_owners=owners
        )
        if self.unanswered_in_a_row >= self.MAX_UNANSWERED and not self.is_answering:
            suspect = sent.owner_id if len(owners) == 1 else None
            self.hold(self.HoldReason.UNREACHED, _response_of(error), suspect_owner=suspect)

    # --- admins ---------------------------------------------------------------------------------

    def pause(self, by: Member, reason: str) -> bool:
        """Stop all submits, but not polls, and record it. False when already paused."""
        pause: dict[str, Any] = {
            "paused_at": timezone.now(),
            "paused_by": by,
            "pause_reason": reason[:300],
        }
        with transaction.atomic():
            self.lock_all()
            if not self._update(Q(paused_at=None), **pause):
                return False
            self.of_all_engines().filter(paused_at=None).update(**pause)
            AuditEntry.objects.record(AuditAction.PAUSED, by, note=reason)
        return True

    @classmethod
    def pause_all(cls, upstream: str, reason: str) -> bool:
        """Pause all gates of this upstream mode, and record it; False when all are paused.

        For the system, in the caller's transaction: creates a gate if there is none.
        """
        gates = cls._default_manager.filter(upstream=upstream)
        if not gates.exists():
            cls._default_manager.create(upstream=upstream, engine=DEFAULT_ENGINE)
        pause = {"paused_at": timezone.now(), "paused_by": None, "pause_reason": reason[:300]}
        if not gates.filter(paused_at=None).update(**pause):
            return False
        AuditEntry.objects.record(AuditAction.PAUSED, None, note=reason)
        return True

    def resume(self, by: Member | None = None) -> None:
        """End the pause, and each hold and wait, restore the limits, and record it."""
        with transaction.atomic():
            self.lock_all()
            self.refresh_from_db()
            AuditEntry.objects.record(AuditAction.RESUMED, by, note=self.pause_reason)
            for gate in self.of_all_engines().exclude(pk=self.pk):
                gate._resume_alone(by)
            self._resume_alone(by)

    def _resume_alone(self, by: Member | None) -> None:
        self.clear(by)
        self._set_limit(None, None)
        self._update(
            Q(),
            silent_until=None,
            silences_in_a_row=0,
            paused_at=None,
            paused_by=None,
            pause_reason="",
        )

    def configure(self, limit: int | None, gap_seconds: float | None, by: Member) -> bool:
        """Set the concurrency limit and the gap between submits. None: as in the settings.

        What was learned after a refusal stays: the upstream has not changed. Records a change, and
        returns whether there was one.
        """
        with transaction.atomic():
            self.lock_all(self.engine)
            self.refresh_from_db()
            before = self.own_limits
            self.of_engine(self.engine).update(
                own_concurrency_limit=limit, own_submit_gap_seconds=gap_seconds
            )
            self.refresh_from_db()
            after = self.own_limits
            if after != before:
                AuditEntry.objects.record(
                    AuditAction.QUEUE_CHANGED,
                    by,
                    on=self,
                    label=gettext_noop("queue"),
                    before=before,
                    after=after,
                )
        return after != before

    def forget_answers(self) -> None:
        """The next submits start one by one: the settings may have changed."""
        self._update(Q(), answered_at=None)


def _current(
    gates: "Mapping[int | None, UpstreamGate]", keys: Sequence[int | None]
) -> "UpstreamGate | None":
    """The gate of an engine for new requests, of those of all keys; None before its first use."""
    in_order = [gates[key] for key in keys if key in gates]
    if not keys or not in_order:
        return gates.get(None) if not keys else None
    return UpstreamGate.preferred(in_order)


def _response_of(error: Exception) -> str:
    return getattr(error, "response", "") or str(error)

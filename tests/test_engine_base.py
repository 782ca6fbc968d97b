"""The enums of engines and those of models have the same values."""

from generations.engines.base import FailureKind, HoldReason
from generations.models import Failure, UpstreamGate


def test_failures_of_rows_are_the_failure_kinds_of_engines() -> None:
    assert set(Failure.values) == {str(kind) for kind in FailureKind}


def test_hold_reasons_of_the_gate_are_those_of_engines() -> None:
    assert set(UpstreamGate.HoldReason.values) == {str(reason) for reason in HoldReason}

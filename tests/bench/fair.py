"""Fairness: how long others wait while one person's request, task, response or file is at fault.

Each case is an installation with one fault of ann, run beside an undisturbed installation with the
same load at the same time. The times are those of the others' images, from the request to the
stored image, at default settings.
"""

import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from statistics import median

from tests.bench.bare_script import BareScript
from tests.bench.fair_cases import CASES, Case
from tests.bench.fair_events import EVENTS, Event
from tests.bench.fair_site import Load, Site, Sites, run_side_by_side
from tests.simulator import Simulator

MAX_RATIO = 1.2
AT_ONCE = 3  # installations with a fault, beside the undisturbed one
EVENTS_AT_ONCE = 2
BARE_POLL_SECONDS = 4.0  # the default of klingweb


def fair(numbers: list[int], **settings: object) -> None:
    """Print one row for each case; `numbers` selects those of some faults."""
    print(
        "\nFairness: seconds until the others' images are stored (median / worst), undisturbed and "
        "beside one fault of ann; upstream time 1-1.5 s, default settings."
    )
    _print_row("case", "undisturbed", "disturbed", "ratio", "target", "ok", "seen upstream of ann")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        sites = Sites(Path(folder), settings)
        _print_bare_script(Path(folder))
        with sites.open() as undisturbed:
            for batch in _batches([case for case in CASES if _is_chosen(case.number, numbers)]):
                _run(sites, undisturbed, batch)
        events = [measure for number, measure in EVENTS if _is_chosen(number, numbers)]
        with ThreadPoolExecutor(EVENTS_AT_ONCE) as pool:
            for measured in pool.map(lambda measure: list(measure(sites)), events):
                for event in measured:
                    _print_event(event)
    print(f"{time.monotonic() - started:.0f} s in all")


def _batches(cases: list[Case]) -> Iterator[list[Case]]:
    """Cases with the same load run at the same time, a few at once."""
    for _key, group in groupby(cases, key=lambda case: (case.load, case.deadline_seconds)):
        same = list(group)
        for start in range(0, len(same), AT_ONCE):
            yield same[start : start + AT_ONCE]


def _is_chosen(number: int, numbers: list[int]) -> bool:
    return not numbers or number in numbers


def _run(sites: Sites, undisturbed: Site, batch: list[Case]) -> None:
    load, deadline = batch[0].load, batch[0].deadline_seconds
    with ThreadPoolExecutor(AT_ONCE) as pool, ExitStack() as stack:
        disturbed = list(
            pool.map(lambda case: stack.enter_context(sites.open(**case.settings)), batch)
        )
        for case, site in zip(batch, disturbed, strict=True):
            case.begin(site)
        usual, *results = run_side_by_side([undisturbed, *disturbed], load, deadline)
        for case, site, times in zip(batch, disturbed, results, strict=True):
            shown = case.is_shown(site)
            problem = case.check(site) if shown else "THE FAULT DID NOT HAPPEN"
            ratios = (median(times) / median(usual), times[-1] / usual[-1])
            allowed = [MAX_RATIO * seconds + case.allowed_seconds for seconds in _figures(usual)]
            is_ok = not problem and all(
                seconds <= most for seconds, most in zip(_figures(times), allowed, strict=True)
            )
            _print_row(
                case.title,
                " / ".join(f"{seconds:.1f}" for seconds in _figures(usual)),
                " / ".join(_seconds(seconds, deadline) for seconds in _figures(times)),
                " / ".join(f"{ratio:.2f}" if ratio < float("inf") else "-" for ratio in ratios),
                f"<= {MAX_RATIO} x"
                + (f" + {case.allowed_seconds:.0f} s" * bool(case.allowed_seconds)),
                _ok(is_ok),
                "; ".join(filter(None, [problem, case.seen(site)])),
            )


def _print_bare_script(folder: Path) -> None:
    """The bare script with the same load: what the undisturbed figure contains at the least."""
    with Simulator(seconds=(1.0, 1.5), submit_seconds=0.05) as simulator:
        script = BareScript(simulator.url, simulator.key, BARE_POLL_SECONDS, folder)
        times = sorted(script.generate_all([f"bare {number}" for number in range(Load().requests)]))
    figure = " / ".join(f"{seconds:.1f}" for seconds in _figures(times))
    _print_row("bare script", figure, "", "", "", "", "")


def _figures(times: list[float]) -> tuple[float, float]:
    return median(times), times[-1]


def _seconds(seconds: float, deadline: float) -> str:
    return f"{seconds:.1f}" if seconds < float("inf") else f"> {deadline:.0f}"


def _ok(is_ok: bool) -> str:
    return "ok" if is_ok else "NOT"


def _print_event(event: Event) -> None:
    _print_row(
        event.name, event.usual, event.figure, "", event.target, _ok(event.is_ok), event.seen
    )


def _print_row(
    case: str, usual: str, times: str, ratio: str, target: str, ok: str, seen: str
) -> None:
    print(f"{case:<28} {usual:>12} {times:>12} {ratio:>12} {target:>14} {ok:<4} {seen}", flush=True)

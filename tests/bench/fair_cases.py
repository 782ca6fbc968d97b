"""The cases of the section `fair`: one fault of one person each, beside others' requests."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from tests.bench.fair_site import Load, Site
from tests.installation import wait_until

DEADLINE_SECONDS = 60.0
FIRST_SILENCE_SECONDS = 60  # for which the first Retry-After is honoured

SINGLE = Load()

Request = tuple[str, int | None]


@dataclass(frozen=True)
class Case:
    """One fault. `ann` has the n of each of ann's requests, sent before the load.

    `shows` is the request with its status that the upstream's log must contain at least
    `at_least` times. `check` returns what is wrong with the end, if anything. The others may wait
    `allowed_seconds` longer.
    """

    title: str
    scenario: str
    shows: Request
    ann: tuple[int, ...] = (1,)
    at_least: int = 1
    params: dict[str, float] = field(default_factory=dict)
    load: Load = SINGLE
    deadline_seconds: float = DEADLINE_SECONDS
    allowed_seconds: float = 0
    settings: dict[str, object] = field(default_factory=dict)
    check: Callable[[Site], str] = lambda site: ""

    @property
    def number(self) -> int:
        """The number of the fault; several cases can have the same."""
        return int(self.title.split()[0])

    def seen(self, site: Site) -> str:
        """Describe ann's requests as the upstream's log has them."""
        counted = sorted(site.requests_of("ann").items(), key=str)
        return ", ".join(
            f"{kind} {'unanswered' if status is None else status} x {n}"
            for (kind, status), n in counted
        )

    def begin(self, site: Site) -> None:
        """Send ann's requests, and wait until the fault happens."""
        site.simulator.scenario(self.scenario, times=None, match="ann", **self.params)
        for n in self.ann:
            site.generate("ann", n=n)
        if self.ann:
            with suppress(AssertionError):  # shown in the table
                wait_until(lambda: self.is_shown(site), 20)

    def is_shown(self, site: Site) -> bool:
        return site.requests_of("ann")[self.shows] >= self.at_least


def ann_succeeds(site: Site) -> str:
    """Wait for ann's own images."""
    with suppress(AssertionError):
        wait_until(lambda: not (site.statuses_of("ann").keys() - {"succeeded", "failed"}), 45)
    statuses = site.statuses_of("ann")
    return "" if statuses.keys() == {"succeeded"} else f"ann's images: {dict(statuses)}"


BURST = Load(requests=16, gap_seconds=0.05, owners=("bob", "cem"))
MIXED = Load(requests=50, gap_seconds=0.05, owners=("bob",) * 5 + ("cem",) * 4 + ("ann",))
SPARSE = Load(requests=7, gap_seconds=3)
SILENT_FILE = {"file_seconds": 120.0}

CASES = [
    Case("1 tasks that never end", "never-ends", ("submit", 200), ann=(9, 9, 4), at_least=2,
         load=SPARSE, settings={"late_seconds": 8}),
    Case("3 one busy (1302)", "submit-1302", ("submit", 429), params={"refusals": 1}, load=BURST),
    Case("3 one 500", "submit-5000", ("submit", 500), params={"refusals": 1}, load=BURST),
    Case("3 one 503", "submit-5001", ("submit", 503), params={"refusals": 1}, load=BURST),
    Case("3 10 % plain 429", "empty-429", ("submit", 429), ann=(), at_least=5,
         params={"refusals": 1}, load=MIXED),
    Case("4 always 1103", "submit-1103", ("submit", 403)),
    Case("4 always 401", "key-refused-openai", ("submit", 401)),
    Case("4 always 402", "payment-required", ("submit", 402)),
    Case("4 always 403", "quota-not-enough", ("submit", 403)),
    Case("4 always a firewall's page", "firewall-page", ("submit", 403)),
    Case("5 always busy (1302)", "submit-1302", ("submit", 429)),
    Case("5 always too many (1303)", "submit-1303", ("submit", 429)),
    Case("5 always 503", "submit-5001", ("submit", 503)),
    Case("5 model not available", "no-channel", ("submit", 503)),
    Case("6 one POST hangs", "answer-late", ("submit", None)),
    Case("6 three 502", "html-502", ("submit", 502), ann=(1, 1, 1), at_least=3),
    Case("7 one query hangs", "query-silent", ("query", None), params={"polls": 9}),
    Case("8 nine files hang", "file-silent", ("file", None), ann=(9,), params=SILENT_FILE),
    Case("8 27 files hang", "file-silent", ("file", None), ann=(9, 9, 9), params=SILENT_FILE),
    Case("12 file 404 for a while", "file-404", ("file", 404), at_least=2,
         params={"downloads": 3}, check=ann_succeeds),
    Case("12 file 403 for a while", "file-403-later", ("file", 403), at_least=2,
         params={"downloads": 3, "url_seconds": 0.001}, check=ann_succeeds),
    Case("10 Retry-After: 3600 once", "query-429-retry-after", ("query", 429),
         params={"polls": 1, "retry_after": 3600}, deadline_seconds=85,
         allowed_seconds=FIRST_SILENCE_SECONDS),
]  # fmt: skip

"""Which scenario applies to a submit: a queued one, else the one that its prompt names."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.scenarios import (
    PARAMETERS,
    SCENARIOS,
    Scenario,
    scenario_in_prompt,
)
from klingweb.simulator.tasks import Parameter


@dataclass
class QueuedScenario:
    """A scenario set by a control call for the next submits.

    `times` is how many submits it applies to, None for all until the reset. `match` is a text
    that the prompt must contain, None for any prompt.
    """

    name: str
    times: int | None = 1
    match: str | None = None
    params: dict[str, Parameter] = field(default_factory=dict)


@dataclass(frozen=True)
class ActiveScenario:
    """The scenario of one submit, with its parameters."""

    name: str
    params: dict[str, Parameter]

    @classmethod
    def with_defaults(cls, name: str) -> Self:
        """Return a scenario with its default parameters."""
        return cls(name, dict(SCENARIOS[name].params))

    @property
    def scenario(self) -> Scenario:
        """The scenario's definition."""
        return SCENARIOS[self.name]

    def number(self, name: str, default: float = 0) -> float:
        """Return a parameter as a number."""
        return float(self.params.get(name, default))


class ScenarioQueue:
    """The queued scenarios, and how often each prompt was refused."""

    def __init__(self) -> None:
        self._queued: list[QueuedScenario] = []
        self._refusals: Counter[tuple[str, str]] = Counter()

    def add(self, queued: QueuedScenario) -> None:
        """Queue a scenario; raises ValueError for an unknown name or parameter."""
        if queued.name not in SCENARIOS:
            raise ValueError(f"no such scenario: {queued.name}")
        unknown = sorted(set(queued.params) - set(PARAMETERS))
        if unknown:
            raise ValueError(f"no such parameter: {', '.join(unknown)}")
        self._queued.append(queued)

    def clear(self) -> None:
        """Delete the queued scenarios and the counted refusals."""
        self._queued.clear()
        self._refusals.clear()

    def next_for(self, prompt: str) -> ActiveScenario:
        """Return the scenario of a submit, and count it against its queued scenario."""
        for queued in self._queued:
            if queued.match is None or queued.match in prompt:
                if queued.times is not None:
                    queued.times -= 1
                    if queued.times <= 0:
                        self._queued.remove(queued)
                defaults = {**SCENARIOS[queued.name].params, "refusals": 0}
                return ActiveScenario(queued.name, {**defaults, **queued.params})
        return ActiveScenario.with_defaults(scenario_in_prompt(prompt))

    def refusal(self, active: ActiveScenario, prompt: str) -> CannedResponse | None:
        """Return the scenario's response to a submit; None if the submit is accepted normally."""
        response = active.scenario.submit_response
        limit = active.number("refusals")
        if response is None or not limit:
            return response
        self._refusals[active.name, prompt] += 1
        if self._refusals[active.name, prompt] <= limit:
            return response
        del self._refusals[active.name, prompt]
        return None

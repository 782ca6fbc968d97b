"""Which scenario a submit meets: one that was ordered, else the one its prompt names."""

from collections import Counter
from dataclasses import dataclass, field

from klingweb.simulator.replies import Reply
from klingweb.simulator.scenarios import CATALOG, PARAMS, Scenario, named_in
from klingweb.simulator.tasks import Param


@dataclass
class Order:
    """A scenario ordered by a control call. `times` None: until the reset; `match` None: any."""

    name: str
    times: int | None = 1
    match: str | None = None
    params: dict[str, Param] = field(default_factory=dict)


@dataclass(frozen=True)
class Chosen:
    """The scenario one submit meets, with the parameters that hold for it."""

    name: str
    params: dict[str, Param]

    @property
    def scenario(self) -> Scenario:
        """The behaviour itself."""
        return CATALOG[self.name]

    def number(self, name: str, otherwise: float = 0) -> float:
        """A parameter as a number."""
        return float(self.params.get(name, otherwise))


def named(name: str) -> Chosen:
    """A scenario with its usual parameters."""
    return Chosen(name, dict(CATALOG[name].params))


class Orders:
    """The ordered scenarios, and how often a prompt was refused already."""

    def __init__(self) -> None:
        self._orders: list[Order] = []
        self._refusals: Counter[tuple[str, str]] = Counter()

    def add(self, order: Order) -> None:
        """Let the next submits meet a scenario; ValueError for a name nobody knows."""
        if order.name not in CATALOG:
            raise ValueError(f"no such scenario: {order.name}")
        unknown = sorted(set(order.params) - set(PARAMS))
        if unknown:
            raise ValueError(f"no such parameter: {', '.join(unknown)}")
        self._orders.append(order)

    def clear(self) -> None:
        """Forget all of it."""
        self._orders.clear()
        self._refusals.clear()

    def choose(self, prompt: str) -> Chosen:
        """What a submit meets; an order is used up by it."""
        for order in self._orders:
            if order.match is None or order.match in prompt:
                if order.times is not None:
                    order.times -= 1
                    if order.times <= 0:
                        self._orders.remove(order)
                usual = {**CATALOG[order.name].params, "refusals": 0}
                return Chosen(order.name, {**usual, **order.params})
        return named(named_in(prompt))

    def refusal(self, chosen: Chosen, prompt: str) -> Reply | None:
        """What is said instead of a task; None when the task may be told."""
        reply = chosen.scenario.submit
        enough = chosen.number("refusals")
        if reply is None or not enough:
            return reply
        self._refusals[chosen.name, prompt] += 1
        if self._refusals[chosen.name, prompt] <= enough:
            return reply
        del self._refusals[chosen.name, prompt]
        return None

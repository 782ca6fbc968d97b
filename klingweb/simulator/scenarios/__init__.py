"""Every way the upstream is known to behave, each with a name one can write into a prompt."""

import re

from klingweb.simulator.scenarios.files import FILES
from klingweb.simulator.scenarios.lives import LIVES
from klingweb.simulator.scenarios.queries import QUERIES
from klingweb.simulator.scenarios.scenario import PARAMS, Scenario
from klingweb.simulator.scenarios.spellings import SPELLINGS
from klingweb.simulator.scenarios.submits import SUBMITS

__all__ = ["CATALOG", "PARAMS", "SCENARIOS", "Scenario", "named_in"]

CATALOG: dict[str, Scenario] = {**LIVES, **SUBMITS, **QUERIES, **SPELLINGS, **FILES}

SCENARIOS: dict[str, str] = {name: scenario.says for name, scenario in CATALOG.items()}
"""Name and one sentence of every scenario: section 6.7 of the upstream notes, and more."""

_LONGEST_FIRST = sorted(CATALOG, key=len, reverse=True)
_NAMES = "|".join(name.replace("-", r"[\s-]+") for name in _LONGEST_FIRST)
_WORDS = re.compile(rf"simulate:[\s-]*({_NAMES})(?![\w-])", re.IGNORECASE)


def named_in(prompt: str) -> str:
    """The scenario a prompt asks for by `simulate: <name>`, else `normal`.

    Hyphens and spaces are the same and case does not matter; words that name nothing are just
    words of the prompt.
    """
    found = _WORDS.search(prompt)
    return re.sub(r"[\s-]+", "-", found[1]).lower() if found else "normal"

"""Scenarios: every known behaviour of the upstream, each with a name that a prompt can contain.

Covers docs/upstream.md, section 6.7, and more.
"""

import re

from klingweb.simulator.scenarios.answers import ANSWERS
from klingweb.simulator.scenarios.file_faults import FILE_FAULTS
from klingweb.simulator.scenarios.lifecycle import LIFECYCLE
from klingweb.simulator.scenarios.query_responses import QUERY_RESPONSES
from klingweb.simulator.scenarios.response_formats import RESPONSE_FORMATS
from klingweb.simulator.scenarios.scenario import PARAMETERS, Scenario
from klingweb.simulator.scenarios.submit_responses import SUBMIT_RESPONSES

__all__ = ["ANSWERS", "DESCRIPTIONS", "PARAMETERS", "SCENARIOS", "Scenario", "scenario_in_prompt"]

SCENARIOS: dict[str, Scenario] = {
    **LIFECYCLE,
    **SUBMIT_RESPONSES,
    **QUERY_RESPONSES,
    **RESPONSE_FORMATS,
    **FILE_FAULTS,
    **ANSWERS,
}

DESCRIPTIONS: dict[str, str] = {name: scenario.description for name, scenario in SCENARIOS.items()}

_LONGEST_FIRST = sorted(SCENARIOS, key=len, reverse=True)
_NAMES = "|".join(name.replace("-", r"[\s-]+") for name in _LONGEST_FIRST)
_SIMULATE = re.compile(rf"simulate:[\s-]*({_NAMES})(?![\w-])", re.IGNORECASE)


def scenario_in_prompt(prompt: str) -> str:
    """Return the name of the scenario in `simulate: <name>`, else `normal`.

    Ignores case, treats hyphens and spaces as equal, and ignores unknown names.
    """
    found = _SIMULATE.search(prompt)
    return re.sub(r"[\s-]+", "-", found[1]).lower() if found else "normal"

"""The reconcile loop: fetches and imports gateway logs, matches due days, and watches tasks.

The steps of an import are those of `generations.reconciliation.importing`. Each transaction counts
what it has done, so a run that was cut short continues where it was.
"""

import logging

from generations.models.money import GatewayLog
from generations.reconciliation import comparing, importing

from . import account_log, watching
from .lease import LeasedLoop

logger = logging.getLogger(__name__)

LOOP_SECONDS = 120.0  # checking a log of the largest size must fit
TIMEOUT_SECONDS = 240


def has_work() -> bool:
    return importing.work_left() or watching.has_due()


def run(loop: LeasedLoop) -> None:
    """Do what is due in turn, until nothing is left."""
    while loop.should_continue():
        log = importing.next_log()
        if log is not None:
            _import(log, loop)
        elif not (watching.check_due() or comparing.match_due_day(loop.should_continue)):
            return


def _import(log: GatewayLog, loop: LeasedLoop) -> None:
    if log.state == GatewayLog.State.FETCHING:
        account_log.fetch(log, loop.should_continue)
    else:
        importing.run(log, loop.should_continue)
    logger.info("%s: %s, %d lines", log, log.state, log.done_lines)

"""The retention loop: moves old images to the trash, and deletes what was there for long enough.

Small transactions with pauses between them, so that other writers come first. A run that was cut
short continues where it was, because each batch is counted in its own transaction.
"""

import logging
import time

from generations.models import RetentionRun

from .lease import LeasedLoop

logger = logging.getLogger(__name__)

LOOP_SECONDS = 20.0
TIMEOUT_SECONDS = 60
BATCH = 200
PAUSE_SECONDS = 0.05


def has_work() -> bool:
    """Whether a run is in progress, or the daily one is due."""
    return RetentionRun.objects.open() is not None or RetentionRun.objects.is_daily_due()


def run(loop: LeasedLoop) -> None:
    """Continue the run in progress, or start the daily one, until its end or the loop's."""
    current = RetentionRun.objects.open() or RetentionRun.objects.start_daily()
    while current and loop.should_continue():
        if not current.move_batch(BATCH) and not current.delete_batch(BATCH):
            current.end()
            logger.info("%s moved %d images to the trash", current, current.images)
            return
        loop.renew()
        time.sleep(PAUSE_SECONDS)

"""The planner's statistics: how many rows match, which decides what index a query uses.

PostgreSQL collects them itself. SQLite does so only on demand, and without them may read a whole
table where an index would do.
"""

import logging
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

logger = logging.getLogger(__name__)

# Rows read for each index: milliseconds at any size, and exact enough to choose an index.
SAMPLE_ROWS = 1000


def update(using: str = DEFAULT_DB_ALIAS) -> None:
    """Collect the statistics. A database that is busy is left for the next time."""
    connection = connections[using]
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute(f"PRAGMA analysis_limit = {SAMPLE_ROWS}")
            cursor.execute("ANALYZE")
    except OperationalError:
        logger.warning("The statistics were not updated: the database is busy", exc_info=True)


def update_after_migration(*, using: str, plan: Any = (), **_signal: Any) -> None:
    """Receiver of `post_migrate`. Without a migration (a flush, or nothing to do) nothing is new.

    An install of an earlier release gets its first statistics here.
    """
    if plan:
        update(using)

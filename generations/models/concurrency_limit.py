"""How many images may be in progress upstream at once."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

LIMIT_VARIABLE = "KLINGWEB_CONCURRENCY_LIMIT"
GAP_VARIABLE = "KLINGWEB_SUBMIT_GAP_SECONDS"


class ConcurrencyLimit(models.Model):
    """A limit in images (the sum of n) that adapts to the upstream.

    Additive increase, multiplicative decrease: below the configured limit it grows by one step for
    each `CONCURRENCY_GROW_SECONDS`, and shrinks by a quarter when the upstream refuses more tasks.
    """

    SHRINK_FACTOR = 0.75
    GROWTH = 0.1  # share of the configured limit, a step
    NO_LIMIT = 1000  # images: a learned limit that has grown to this is removed

    own_concurrency_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("Images in progress at once, as an admin has set it. Empty: the default."),
    )
    own_submit_gap_seconds = models.FloatField(
        null=True,
        blank=True,
        help_text=_("Seconds between two requests, as an admin has set it. Empty: the default."),
    )
    concurrency_limit = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text=_("The limit after a refusal, which grows again. Empty: none was refused."),
    )
    concurrency_limit_changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def own_limits(self) -> dict[str, float | None]:
        """What an admin has set: `limit` in images, `gap` in seconds. None: the default."""
        return {"limit": self.own_concurrency_limit, "gap": self.own_submit_gap_seconds}

    @property
    def configured_limit(self) -> int:
        """The limit that was set, 0 for none: a variable of the environment wins."""
        own = self.own_concurrency_limit
        if own is None or LIMIT_VARIABLE in settings.VARIABLES_SET:
            return int(settings.CONCURRENCY_LIMIT)
        return own

    @property
    def submit_gap_seconds(self) -> float:
        """The least time between two submits: a variable of the environment wins."""
        own = self.own_submit_gap_seconds
        if own is None or GAP_VARIABLE in settings.VARIABLES_SET:
            return float(settings.SUBMIT_GAP_SECONDS)
        return own

    @property
    def current_limit(self) -> int:
        """The limit in force, 0 for none: the lower of what was set and what was learned."""
        limits = [each for each in (self.configured_limit, self.concurrency_limit or 0) if each]
        return min(limits, default=0)

    def shrink(self, accepted: int, sent_at: datetime) -> None:
        """Lower the limit: a request sent then was refused with `accepted` images in progress.

        At most once a round trip: a request sent before the last change tells nothing new. With
        nothing in progress the refusal has another reason.
        """
        now, changed_at = timezone.now(), self.concurrency_limit_changed_at
        if not accepted or (changed_at and sent_at <= changed_at):
            return
        limit = self.current_limit
        lower = int(limit * self.SHRINK_FACTOR) if limit else 0
        # The upstream still accepted what is in progress.
        lower = max(lower, accepted if not limit else min(accepted, limit - 1), 1)
        self._set_limit(lower, now)

    def grow(self) -> int:
        """Return how many images may be in progress, 0 for no limit.

        Raises the limit by the steps that are due. Call this with the row locked.
        """
        configured = self.configured_limit
        if self.concurrency_limit is None or self.concurrency_limit_changed_at is None:
            return configured
        step_seconds = settings.CONCURRENCY_GROW_SECONDS
        elapsed = (timezone.now() - self.concurrency_limit_changed_at).total_seconds()
        steps = int(elapsed / step_seconds) if step_seconds else self.NO_LIMIT
        if steps > 0:
            limit = self.concurrency_limit + steps * max(1, int(configured * self.GROWTH))
            if limit >= (configured or self.NO_LIMIT):
                self._set_limit(None, None)
            else:
                since = timedelta(seconds=steps * step_seconds)
                self._set_limit(limit, self.concurrency_limit_changed_at + since)
        return self.current_limit

    def _set_limit(self, limit: int | None, changed_at: datetime | None) -> None:
        changes: dict[str, Any] = {
            "concurrency_limit": limit,
            "concurrency_limit_changed_at": changed_at,
        }
        type(self)._default_manager.filter(pk=self.pk).update(**changes)
        self.concurrency_limit, self.concurrency_limit_changed_at = limit, changed_at

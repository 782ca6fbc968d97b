"""System checks of klingweb's own settings."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from generations import safe_start


@register()
def check_renamed_variables(**_options: Any) -> list[CheckMessage]:
    """Warn about environment variables that are still set under their old names."""
    return [
        Warning(
            f"{old} is now called {settings.RENAMED_VARIABLES[old]}.",
            hint="The old name works in this release only. Change it in .env.",
            id="klingweb.W001",
        )
        for old in settings.OLD_VARIABLES_IN_USE
    ]


@register()
def check_unknown_variables(**_options: Any) -> list[CheckMessage]:
    """Warn about variables with our prefix that nothing reads."""
    return [
        Warning(
            f"{name} is not a setting of klingweb.",
            hint=f"Did you mean {nearest}?" if nearest else "All settings are in .env.example.",
            id="klingweb.W002",
        )
        for name, nearest in settings.UNKNOWN_VARIABLES.items()
    ]


@register(deploy=True)
def check_safe_start(**_options: Any) -> list[CheckMessage]:
    """With `check --deploy`: what `manage.py run` refuses to start with."""
    return [Error(sentence, id="klingweb.E001") for sentence in safe_start.problems()]

"""Settings that can change while the simulator runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds.

    `key` is the accepted API key, of account 0; `other_keys` are others, by key, with the number of
    their account. The accounts in `empty_accounts` accept no submits. `seconds` is the shortest and
    the longest duration of a task. `submit_seconds` and `query_seconds` are response times.
    `concurrency_limit` is the number of images in progress at once; 0 means no limit.
    `account_key` opens the account API of account 0, and `image_quota` is what an image costs
    there: 500,000 are one US dollar. With `account_pages` off, it sends whole logs, unpaged.
    """

    key: str = "demo"
    seconds: tuple[float, float] = (4.0, 9.0)
    submit_seconds: float = 0.05
    query_seconds: float = 0.0
    concurrency_limit: int = 0
    other_keys: Mapping[str, int] = field(default_factory=dict)
    empty_accounts: tuple[int, ...] = ()
    account_key: str = "demo-account"
    image_quota: int = 60_000
    account_pages: bool = True

    def account_of(self, key: str) -> int | None:
        """Return the account of a key; None if the key is not accepted."""
        return 0 if key == self.key else self.other_keys.get(key)

    def updated(self, values: dict[str, Any]) -> "Settings":
        """Return a copy with other values; raises ValueError or TypeError if one is invalid."""
        merged = replace(self, **values)
        low, high = merged.seconds
        return Settings(
            key=str(merged.key),
            seconds=(float(low), float(high)),
            submit_seconds=float(merged.submit_seconds),
            query_seconds=float(merged.query_seconds),
            concurrency_limit=int(merged.concurrency_limit),
            other_keys={str(key): int(account) for key, account in merged.other_keys.items()},
            empty_accounts=tuple(int(account) for account in merged.empty_accounts),
            account_key=str(merged.account_key),
            image_quota=int(merged.image_quota),
            account_pages=bool(merged.account_pages),
        )

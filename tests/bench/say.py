"""How the bench speaks, and what it reads off processes and rows."""

from datetime import UTC, datetime
from statistics import quantiles

import psutil


def say(what: str, figure: str, target: str) -> None:
    print(f"{what:<58} {figure:>16}   {target}", flush=True)


def at(percent: int, values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def seconds_of(moment: str | datetime) -> float:
    """SQLite keeps moments as UTC text, PostgreSQL as moments."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return moment.timestamp()


def cpu_seconds(family: list[psutil.Process]) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in family if process.is_running()))


def pss_megabytes(family: list[psutil.Process]) -> float:
    return float(
        sum(process.memory_full_info().pss for process in family if process.is_running()) / 2**20
    )

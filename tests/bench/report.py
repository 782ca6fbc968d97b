"""Printing of figures, and measurements of processes and rows."""

from datetime import UTC, datetime
from statistics import quantiles

import psutil


def print_figure(name: str, figure: str, target: str = "") -> None:
    print(f"{name:<58} {figure:>16}   {target}", flush=True)


def percentile(percent: int, values: list[float]) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def timestamp(value: str | datetime) -> float:
    """Return Unix seconds of a database value: UTC text on SQLite, a datetime on PostgreSQL."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value.timestamp()


def cpu_seconds(processes: list[psutil.Process]) -> float:
    return float(sum(sum(each.cpu_times()[:2]) for each in processes if each.is_running()))


def pss_megabytes(processes: list[psutil.Process]) -> float:
    """Return the proportional set size: shared memory counts once for all of them together."""
    total = sum(each.memory_full_info().pss for each in processes if each.is_running())
    return float(total / 2**20)

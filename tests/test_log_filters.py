"""Repeated log lines are counted, and the secrets of links are masked."""

import logging
from collections.abc import Iterator

import pytest

from klingweb import log_filters
from klingweb.log_filters import MaskedSecrets, RepeatedLines


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Iterator[logging.Logger]:
    logger = logging.Logger("test")
    caplog.handler.addFilter(log_filter := RepeatedLines())
    logger.addHandler(caplog.handler)
    yield logger
    caplog.handler.removeFilter(log_filter)


def test_identical_lines_are_counted(
    lines: logging.Logger, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        lines.error("Could not prepare %s", "generation 7")
    assert caplog.messages == ["Could not prepare generation 7"]
    monkeypatch.setattr(log_filters, "REPEAT_SECONDS", 0)
    lines.error("Could not prepare %s", "generation 7")
    assert caplog.messages[1:] == ["Could not prepare generation 7 (repeated 4 times)"]


def test_lines_that_differ_in_a_value_are_all_printed(
    lines: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    """A task id may be the only trace of a charge."""
    for task_id in ("a", "b"):
        lines.error("Response not saved: %s, task id %r", "generation 7", task_id)
    for error in (OSError("a"), OSError("b")):
        lines.error("Failed", exc_info=error)
    for _ in range(2):
        lines.info("Started")
    assert len(caplog.messages) == 6


def test_memory_is_bounded(lines: logging.Logger) -> None:
    log_filter = RepeatedLines()
    for number in range(log_filters.MAX_REMEMBERED + 50):
        log_filter.filter(lines.makeRecord("a", logging.ERROR, "", 0, str(number), (), None))
    assert len(log_filter._printed) == log_filters.MAX_REMEMBERED


@pytest.mark.parametrize(
    ("path", "masked"),
    [
        ("/invitations/s3cret/", "/invitations/***/"),
        ("/accounts/reset/Mg/c0-ffee/", "/accounts/reset/Mg/***/"),
        ("/gallery/", "/gallery/"),
    ],
)
def test_secrets_of_links_are_masked(path: str, masked: str) -> None:
    record = logging.LogRecord("test", logging.WARNING, "", 0, "Gone: %s", (path,), None)
    assert MaskedSecrets().filter(record)
    assert record.getMessage() == f"Gone: {masked}"

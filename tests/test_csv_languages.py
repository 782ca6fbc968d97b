"""CSV files in the language of their reader: headings and words are translated, figures are not."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import AuditAction, AuditEntry, Invitation, InvitationTerms, Member
from generations.permissions import Role
from tests.conftest import client_for
from tests.forms import text_of
from tests.test_ledger import at
from tests.test_reconciliation_pages import lines, load
from tests.test_usage_day import make

pytestmark = pytest.mark.django_db

Files = dict[str, dict[str, list[list[str]]]]
FIGURE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?[+-]\d\d:\d\d)?|-?\d+(\.\d+)?")
NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)


def cells(response: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text_of(response).removeprefix("\ufeff"))))


@pytest.fixture
def files(
    admin: Member,
    owner: Member,
    media_root: Any,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> Files:
    """The rows of each file in each language, of an admin who has chosen it."""
    settings.SESSION_COOKIE_AGE = 10**9  # the sessions of tests begin in the real time
    at(monkeypatch, NOON)
    make(owner, "a", 9)
    AuditEntry.objects.record(
        AuditAction.LIMIT_CHANGED, admin, label="x", before={"images": 1}, after={"images": 2}
    )
    load(client_for(admin), lines((0, "task-unknown", "1234.5")))
    terms = InvitationTerms(Role.MEMBER, timezone.now() + timedelta(days=7))
    secrets = [secret for _row, secret in Invitation.objects.invite(admin, terms, ["Ada"])]
    return {language: _downloaded(admin, language, secrets) for language in ("en", "vi", "zh-hans")}


def _downloaded(admin: Member, language: str, secrets: list[str]) -> dict[str, list[list[str]]]:
    Member.objects.filter(pk=admin.pk).update(language=language)
    client = client_for(Member.objects.get(pk=admin.pk))
    fields: dict[str, Any] = {"month": "2026-11", "group": "money", "secret": secrets}
    paths = {
        "usage": "/usage/usage.csv",
        "audit log": "/admin/audit-log/csv",
        "reconciliation": "/admin/reconciliation/report",
        "links": "/admin/invitations/links.csv",
    }
    return {name: cells(client.post(path, fields)) for name, path in paths.items()}


@pytest.mark.parametrize("language", ["vi", "zh-hans"])
def test_words_are_translated_and_figures_are_the_same(files: Files, language: str) -> None:
    for name, (english, *rows) in files["en"].items():
        header, *translated = files[language][name]
        assert len(header) == len(set(header)) == len(english), name
        assert not {*header} & {*english} - {"ID"}, name
        assert translated, name
        assert [_figures(row) for row in translated] == [_figures(row) for row in rows], name
    assert {_figures(row) for row in files[language]["usage"][1:]} == {
        ("2026-11-10", "9", "1.08", "0", "0")
    }


def _figures(row: list[str]) -> tuple[str, ...]:
    """The cells that a program reads: days and times in ISO format, and numbers with a point."""
    return tuple(each for each in row if FIGURE.fullmatch(each))

"""Entries of the ledger and the audit log are never changed or deleted: triggers refuse it.

The other tests run without these triggers: see conftest. That a migrated database has them is
asserted in test_migrations.
"""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError, connection, transaction

from generations.models import AuditAction, AuditEntry, Member, append_only
from generations.models.money import LedgerEntry, Period
from generations.operations import ledger_check
from tests.builders import make_generation
from tests.test_ledger import press

pytestmark = pytest.mark.django_db

NEVER = "never changed or deleted"


@pytest.fixture
def entry(owner: Member) -> Iterator[LedgerEntry]:
    """An entry of a protected ledger, beside a protected audit log."""
    press(owner, "a")
    AuditEntry.objects.record(AuditAction.PAUSED, owner)
    connection.check_constraints()  # now, because PostgreSQL truncates no table with pending checks
    append_only.protect(connection)
    assert append_only.is_protected(connection)
    yield LedgerEntry.objects.all()[0]
    append_only.unprotect(connection)
    assert not append_only.is_protected(connection)


STATEMENTS = [
    "UPDATE generations_auditentry SET note = 'another'",
    "DELETE FROM generations_auditentry",
    """INSERT INTO generations_auditentry SELECT * FROM generations_auditentry WHERE true
        ON CONFLICT (id) DO UPDATE SET note = 'another'""",
    "UPDATE generations_ledgerentry SET reserved_e4 = 0",
    "UPDATE generations_ledgerentry SET reason = 'another' WHERE key LIKE 'g%'",
    "DELETE FROM generations_ledgerentry",
    """INSERT INTO generations_ledgerentry SELECT * FROM generations_ledgerentry WHERE true
        ON CONFLICT (id) DO UPDATE SET reserved_e4 = 0""",
]
OF_ONE_DATABASE = {
    "sqlite": [
        # These delete the old row without calling the trigger for DELETE.
        "INSERT OR REPLACE INTO generations_ledgerentry SELECT * FROM generations_ledgerentry",
        "REPLACE INTO generations_ledgerentry SELECT * FROM generations_ledgerentry",
        "UPDATE OR REPLACE generations_ledgerentry SET reserved_e4 = 0",
        "INSERT OR REPLACE INTO generations_auditentry SELECT * FROM generations_auditentry",
        "REPLACE INTO generations_auditentry SELECT * FROM generations_auditentry",
        "UPDATE OR REPLACE generations_auditentry SET note = 'another'",
    ],
    "postgresql": [
        "TRUNCATE generations_auditentry",
        "TRUNCATE generations_ledgerentry",
        "TRUNCATE generations_period CASCADE",
    ],
}


def test_changes_are_refused(entry: LedgerEntry) -> None:
    before = _entries()
    for statement in STATEMENTS + OF_ONE_DATABASE[connection.vendor]:
        with (
            pytest.raises(DatabaseError, match=NEVER),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)
        assert _entries() == before, statement


def _entries() -> list[object]:
    return [*LedgerEntry.objects.values(), *AuditEntry.objects.values()]


def test_changes_by_the_application_are_refused(entry: LedgerEntry) -> None:
    entry.reserved_e4 = 0
    for change in (entry.save, entry.delete, LedgerEntry.objects.all().delete):
        with pytest.raises(DatabaseError, match=NEVER), transaction.atomic():
            change()
    audit_entry = AuditEntry.objects.get()
    audit_entry.note = "another"
    for change in (audit_entry.save, audit_entry.delete, AuditEntry.objects.all().delete):
        with pytest.raises(DatabaseError, match=NEVER), transaction.atomic():
            change()
    assert (LedgerEntry.objects.count(), AuditEntry.objects.count()) == (4, 1)


def test_new_entries_are_accepted(entry: LedgerEntry, owner: Member) -> None:
    row = press(owner, "b", n=4)
    assert row.cancel(owner, row.version)
    AuditEntry.objects.record(AuditAction.RESUMED, owner)
    assert (LedgerEntry.objects.count(), AuditEntry.objects.count()) == (12, 2)
    assert ledger_check.differences() == []


def test_the_same_step_twice_is_refused(entry: LedgerEntry) -> None:
    entry.pk = None
    with pytest.raises(DatabaseError), transaction.atomic():
        entry.save(force_insert=True)


def test_other_tables_are_not_protected(entry: LedgerEntry) -> None:
    make_generation().delete()
    Period.objects.update(reserved_e4=0)
    assert ledger_check.differences() != []

"""Audit entries: who did it, from where, and on what."""

import pytest
from django.test import Client

from generations.models import AuditAction, AuditEntry, Member, UpstreamGate
from generations.models.audit_entry import client_address

pytestmark = pytest.mark.django_db


def test_pause_and_resume_are_recorded_with_person_and_address(
    admin_client: Client, admin: Member
) -> None:
    admin_client.post("/admin/queue/", {"reason": "Maintenance"}, REMOTE_ADDR="192.0.2.7")
    admin_client.post("/admin/queue/", {"reason": "Again"}, REMOTE_ADDR="192.0.2.7")
    UpstreamGate.for_engine().resume()
    admin_client.post("/admin/queue/resume", REMOTE_ADDR="2001:db8::1")
    resumed, by_system, paused = AuditEntry.objects.all()
    assert (by_system.action, by_system.by) == (AuditAction.RESUMED, None)
    assert (paused.action, paused.note) == (AuditAction.PAUSED, "Maintenance")
    assert (paused.by, paused.by_name, paused.address) == (admin, admin.username, "192.0.2.7")
    assert (resumed.action, resumed.address) == (AuditAction.RESUMED, "2001:db8::1")
    assert client_address.get() == ""  # after the request


def test_entry_of_the_system_names_its_object(owner: Member) -> None:
    entry = AuditEntry.objects.record(
        AuditAction.HELD, None, on=owner, before={"a": 1}, after={"a": 2}
    )
    assert (entry.by, entry.by_name, entry.address) == (None, "", "")
    assert (entry.target_type, entry.target_id) == ("member", str(owner.pk))
    assert entry.target_label == str(owner)
    assert (entry.before, entry.after) == ({"a": 1}, {"a": 2})

"""The last changes in the audit log, in a line each."""

from generations.models import AuditAction, AuditEntry

from .audit_text import AuditText, texts_of

MAX_LISTED = 8
MAX_READ = 300  # entries, of which most may be sign-ins
NOT_CHANGES = (AuditAction.SIGNED_IN, AuditAction.SIGNED_OUT, AuditAction.SIGN_IN_FAILED)


def recent_changes() -> list[AuditText]:
    """The newest entries that are no sign-ins, among the last `MAX_READ`."""
    newest = AuditEntry.objects.values_list("pk", flat=True).order_by("-pk").first() or 0
    entries = AuditEntry.objects.filter(pk__gt=newest - MAX_READ).exclude(action__in=NOT_CHANGES)
    return texts_of(list(entries.select_related("by").order_by("-pk")[:MAX_LISTED]))

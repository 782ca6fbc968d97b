"""The audit log: who did what, when, from where, on what. Never updated, never deleted."""

import hashlib
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import models
from django.utils import timezone, translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from .masking import masked_text, masked_values
from .member import Member

FLOOD_SECONDS = 60
MAX_FAILED_SIGN_INS = 60  # rows in `FLOOD_SECONDS`, so that guessing cannot fill the disk
# Notes that readers see in their language (web/admin/audit_text.py). Stored in English.
TOO_MANY_FAILED = gettext_noop("Many failed sign-ins: the next ones are not recorded.")
SESSION_OVER = gettext_noop("It was too old, or not used for too long.")
WITH_RESET_LINK = gettext_noop("With a reset link.")
TOO_MANY_TRIES = gettext_noop("Too many tries: refused for a while.")
WRONG_SECOND_FACTOR = gettext_noop("The second factor was wrong.")
NO_ROLE = gettext_noop("%(provider)s gives no role here.")
BY_PROVIDER = gettext_noop("By %(provider)s.")
BY_COMMAND = gettext_noop("command")  # what no person signed in did
ADDED_BY_COMMAND = gettext_noop("added by a command")
FIRST_START = gettext_noop("the first start")
ENCRYPTED_AGAIN = gettext_noop("Encrypted again with a new encryption key")
# Notes that take no value.
NOTES = {
    *(TOO_MANY_FAILED, SESSION_OVER, WITH_RESET_LINK, TOO_MANY_TRIES, WRONG_SECOND_FACTOR),
    *(BY_COMMAND, ADDED_BY_COMMAND, FIRST_START, ENCRYPTED_AGAIN),
}
# Kinds of second factors, stored as a value.
APP, RECOVERY_CODES = gettext_noop("App"), gettext_noop("Recovery codes")
PASSKEY = gettext_noop("Passkey")
# The client's address while a request is answered (web/middleware/client_address.py); else "".
client_address: ContextVar[str] = ContextVar("client_address", default="")


class AuditAction(models.TextChoices):
    """What was done. Readers of the log see the labels."""

    SIGNED_IN = "signed-in", _("Signed in")
    SIGN_IN_FAILED = "sign-in-failed", _("Sign-in failed")
    SIGNED_OUT = "signed-out", _("Signed out")
    PASSWORD_CHANGED = "password-changed", _("Changed a password")
    RESET_LINK_CREATED = "reset-link", _("Created a password reset link")
    SECOND_FACTOR_ADDED = "factor-added", _("Added a second factor")
    SECOND_FACTOR_REMOVED = "factor-removed", _("Removed a second factor")
    SESSIONS_ENDED = "sessions-ended", _("Ended sessions")
    INVITED = "invited", _("Invited")
    INVITATION_REVOKED = "invitation-revoked", _("Revoked an invitation")
    JOINED = "joined", _("Joined the team")
    ROLE_CHANGED = "role-changed", _("Changed a role")
    DISABLED = "disabled", _("Disabled a person")
    ENABLED = "enabled", _("Enabled a person")
    HANDED_OVER = "handed-over", _("Handed over work")
    PERSON_CHANGED = "person-changed", _("Changed a person")
    LIMIT_CHANGED = "limit-changed", _("Changed a limit")
    PRICE_SET = "price-set", _("Set a price")
    GRANTED = "granted", _("Granted a request for more")
    DECLINED = "declined", _("Declined a request for more")
    CORRECTED = "corrected", _("Corrected the ledger")
    RECONCILED = "reconciled", _("Imported a gateway log")
    DIFFERENCE_DECIDED = "difference", _("Decided a difference")
    KEY_CHANGED = "key-changed", _("Changed an API key")
    HELD = "held", _("Generation on hold")
    HOLD_ENDED = "hold-ended", _("Hold ended")
    PAUSED = "paused", _("Paused generation")
    RESUMED = "resumed", _("Resumed generation")
    QUEUE_CHANGED = "queue-changed", _("Changed the queue")
    DISMISSED = "dismissed", _("Dismissed a generation")
    RECHECKED = "rechecked", _("Checked a generation again")
    SENT_AGAIN = "sent-again", _("Sent a generation again")
    TASK_ID_ENTERED = "task-id", _("Entered a task ID")
    DELETED_PERMANENTLY = "deleted", _("Deleted images permanently")
    COMMENT_DELETED = "comment-deleted", _("Deleted a comment")
    DOWNLOADED = "downloaded", _("Downloaded many images")
    EXPORTED = "exported", _("Exported data")
    SETTING_CHANGED = "setting-changed", _("Changed a setting")
    RETENTION_RUN = "retention-run", _("Ran the retention rules")
    DEMO_CHANGED = "demo-changed", _("Changed the demo")


def _label(on: models.Model | None) -> str:
    """A public prompt may become private later, so that a generation is its number only."""
    return str(getattr(on, "audit_label", on)) if on else ""


class AuditEntryManager(models.Manager["AuditEntry"]):
    def record(
        self,
        action: AuditAction,
        by: Member | None,
        *,
        on: models.Model | None = None,
        label: str | Promise = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
        note: str = "",
    ) -> "AuditEntry":
        """Append an entry, in the caller's transaction. `by` is None for the system.

        `label` names the object where neither its `audit_label` nor `str(on)` should. Neither it
        nor `before`, `after` and `note` may contain a secret or a prompt; what looks like a secret
        is masked.
        """
        with translation.override(settings.LANGUAGE_CODE):  # of the log, not of who did it
            label = str(label or _label(on))
        return self.create(
            action=action,
            by=by,
            by_name=by.username if by else "",
            address=client_address.get(),
            target_type=str(on._meta.model_name) if on else "",
            target_id=str(on.pk) if on else "",
            target_label=masked_text(label)[:200],
            before=masked_values(before or {}),
            after=masked_values(after or {}),
            note=masked_text(note)[:300],
        )

    def record_failed_sign_in(self, typed_name: str, note: str = "") -> None:
        """Append an entry: at most one a minute for a name, an address and a note.

        A name is stored only if an account has it: people type passwords into this field. Takes the
        same time whether one has it or not.
        """
        member = Member.objects.filter(username=typed_name).first()
        kind = f"{typed_name.casefold()} {client_address.get()} {note}"
        key = f"failed-sign-in:{hashlib.sha256(kind.encode(errors='replace')).hexdigest()}"
        if not cache.add(key, True, FLOOD_SECONDS):
            return
        since = timezone.now() - timedelta(seconds=FLOOD_SECONDS)
        newest = self.filter(action=AuditAction.SIGN_IN_FAILED).order_by("-pk")
        times = newest.values_list("at", flat=True)[:MAX_FAILED_SIGN_INS]
        recent = sum(at > since for at in times)
        if recent == MAX_FAILED_SIGN_INS:
            return
        if recent == MAX_FAILED_SIGN_INS - 1:
            note = TOO_MANY_FAILED
        self.record(AuditAction.SIGN_IN_FAILED, None, on=member, note=note)


class AuditEntry(models.Model):
    at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=20, choices=AuditAction)
    # The row of a person stays, but a log must not depend on it.
    by = models.ForeignKey(
        Member, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )
    by_name = models.CharField(
        max_length=150, blank=True, help_text=_("The user name at that time. Empty: the system.")
    )
    address = models.CharField(max_length=45, blank=True, help_text=_("The client’s IP address."))
    target_type = models.CharField(max_length=40, blank=True)
    target_id = models.CharField(max_length=40, blank=True)
    target_label = models.CharField(max_length=200, blank=True)
    before = models.JSONField(default=dict, blank=True)
    after = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=300, blank=True)

    objects = AuditEntryManager()

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["action", "-id"], name="auditentry_action_idx"),
            models.Index(fields=["by", "-id"], name="auditentry_by_idx"),
            models.Index(fields=["at"], name="auditentry_at_idx"),
            models.Index(fields=["target_type", "target_id", "-id"], name="auditentry_target_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.get_action_display()} ({self.at:%Y-%m-%d %H:%M})"

"""An install with everything: a card in every state, hostile prompts, a full gallery."""

from datetime import timedelta
from typing import Any

from django.core.files.base import ContentFile
from django.utils import timezone

from generations.models import (
    AuditAction,
    AuditEntry,
    Batch,
    Collection,
    Comment,
    Failure,
    Generation,
    Invitation,
    InvitationTerms,
    Member,
    Notification,
    Picture,
    Quote,
    SavedPrompt,
    SmartCollection,
    Status,
    Team,
    UpstreamGate,
    Word,
    bulk,
)
from generations.models.money import (
    CheckedLedger,
    ComparedDay,
    Comparison,
    GatewayLog,
    Limit,
    LimitRequest,
    Price,
    RefusedKind,
    Window,
    ledger,
)
from generations.permissions import Role
from generations.reconciliation import months
from tests.browser.admin_pages import admin_pages, populate_admin
from tests.builders import make_admin, make_generation, make_member, make_submission

HOSTILE = (
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3,
    "كوب شاي على الطاولة بجانب نافذة مفتوحة على البحر",
    "👩‍👩‍👧‍👦🏳️‍🌈 a family of emoji 🌿🌿🌿",
    "<b>bold</b> & \"quoted\" 'words'",
)


def populate() -> Member:
    """Create it and return its admin. Files are stored in `MEDIA_ROOT`."""
    admin = make_admin("a-name-that-is-longer-than-most-names-are-ever")
    for index, status in enumerate(Status):
        for failure in Failure if status == Status.FAILED else ("",):
            columns: dict[str, Any] = {"failure": failure} if failure else {}
            row = make_generation(
                status,
                owner=admin,
                prompt=HOSTILE[index % len(HOSTILE)],
                n=index % 4 + 1,
                created_at=timezone.now() - timedelta(minutes=index),
                **columns,
            )
            if status == Status.UNCONFIRMED:
                make_submission(row)
    short = make_generation(Status.SUCCEEDED, owner=admin, n=3, stored=2, prompt=HOSTILE[0])
    make_generation(Status.RUNNING, owner=admin, late_at=timezone.now(), prompt="Late")
    make_generation(Status.RUNNING, owner=admin, lost_at=timezone.now(), prompt="Lost")
    september = timezone.now().replace(year=timezone.now().year - 1, month=9, day=1)  # long heading
    make_generation(Status.SUCCEEDED, owner=admin, prompt=HOSTILE[2], created_at=september)
    make_generation(Status.FAILED, owner=admin, prompt=HOSTILE[3], created_at=september)
    shown = [picture.pk for picture in Picture.objects.available()]
    bulk.favourite(shown[:2], admin)
    bulk.tag(shown[:1], admin, HOSTILE[2][:40])
    Collection.objects.create(name=HOSTILE[0][:80], created_by=admin).add(shown, admin)
    SmartCollection.objects.create(name=HOSTILE[0][:80], query="q=family", created_by=admin)
    Word.objects.learn_all()
    make_generation(Status.SUCCEEDED, owner=admin, is_private=True, prompt=HOSTILE[1])
    make_generation(Status.SUCCEEDED, owner=admin, prompt=HOSTILE[0], n=4)
    Picture.objects.filter(pk=short.pictures.all()[0].pk).trash(admin)
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    for window in Window:
        Limit.objects.put(Limit.Scope.TEAM, window, money_e4=1_000_000, images=100)
    LimitRequest.objects.create(
        person=make_member("ask"), amount_e4=50_000, reason=HOSTILE[0][:300]
    )
    _spend(admin)
    LimitRequest.objects.create(
        person=admin,
        images=20,
        granted_images=40,
        reason=HOSTILE[1],
        decision=LimitRequest.Decision.GRANTED,
        decided_by=admin,
        decided_at=timezone.now(),
        until=timezone.now() + timedelta(days=3),
    )
    Team(unpriced=Team.Unpriced.REFUSE).save()
    RefusedKind.objects.create(
        upstream="simulator", engine="other", model=HOSTILE[0][:60], last_at=timezone.now()
    )
    CheckedLedger.objects.store([HOSTILE[0]])
    AuditEntry.objects.record(AuditAction.INVITED, admin, label=HOSTILE[0][:200], note=HOSTILE[0])
    make_generation(owner=admin)
    _start_batch(admin)
    gate = UpstreamGate.for_engine()
    gate.hold(UpstreamGate.HoldReason.ACCOUNT)
    gate.clear()
    gate.pause(admin, HOSTILE[0][:60])
    make_member(HOSTILE[0][:150], is_active=False, role=Role.VIEWER)
    _import_log(admin)
    terms = InvitationTerms(Role.MEMBER, timezone.now() + timedelta(days=7), max_uses=5)
    Invitation.objects.invite(admin, terms, (HOSTILE[0][:254], HOSTILE[1], HOSTILE[3], ""))
    AuditEntry.objects.record(
        AuditAction.SETTING_CHANGED,
        admin,
        label=HOSTILE[0],
        before={"name": HOSTILE[1]},
        after={"name": HOSTILE[0], "images": 5},
        note=HOSTILE[3],
    )
    AuditEntry.objects.record(AuditAction.PAUSED, None, note=HOSTILE[0][:300])
    populate_admin(admin, HOSTILE[0])
    _notify(admin, Picture.objects.available()[0])
    return admin


def _notify(admin: Member, picture: Picture) -> None:
    """Comments with hostile texts, and a notification of each kind."""
    writer = make_member(HOSTILE[0][:148], first_name=HOSTILE[0][:100])
    for text in HOSTILE:
        Comment.objects.write(picture, writer, f"@{admin.username} https://x.example/{text}"[:500])
    Comment.objects.write(picture, admin, HOSTILE[3])
    collection = Collection.objects.get()
    asked = LimitRequest.objects.filter(person=admin)[0]
    Notification.objects.store(
        Notification(
            member=admin,
            kind=kind,
            by=writer,
            generation_id=picture.generation_id,
            picture=picture,
            collection=collection,
            limit_request=asked,
            comment=picture.comments.all()[0],
            details={"reason": "given-up", "role": Role.ADMIN, "name": HOSTILE[0]},
            read_at=timezone.now() if number % 2 else None,
        )
        for number, kind in enumerate(Notification.Kind)
    )


def _spend(member: Member) -> None:
    """A charged and an open request for each of two models."""
    for number, model in enumerate(("kling-v1", HOSTILE[0][:60])):
        quote = Quote("kling", model, "", 1200, 2)
        for key in ("open", "charged"):
            row, _created = Generation.objects.request(
                owner=member, key=f"{key} {number}", quote=quote, prompt="A pear",
                aspect_ratio="1:1", n=2,
            )  # fmt: skip
            if key == "charged":
                ledger.end(row.pk, 1, 2)
                Generation.objects.filter(pk=row.pk).update(
                    status=Status.CANCELED, finished_at=timezone.now(), charged_e4=2400
                )


def _start_batch(admin: Member) -> None:
    """A row in each status, and prompts in the library."""
    batch = Batch.objects.create(owner=admin, idempotency_key="batch", title=HOSTILE[0][:120])
    for number, status in enumerate(Status, start=1):
        make_generation(
            status, owner=admin, n=number, batch=batch, batch_row=number,
            prompt=HOSTILE[number % len(HOSTILE)], unit_price_e4=1200,
        )  # fmt: skip
    for text in HOSTILE:
        SavedPrompt.objects.create(owner=admin, text=text, is_shared=text == HOSTILE[1], uses=7)


def _import_log(admin: Member) -> None:
    """A log with a row in each group, and a draft of another one."""
    now = timezone.now()
    for number, block in enumerate(Comparison.Block):
        is_open = block.value in Comparison.Group.values
        Comparison.objects.create(
            key=f"t{number}",
            at=now,
            group=block if is_open else Comparison.Group.UNKNOWN,
            block=block,
            decision={"watched": "watched", "decided": "ignored"}.get(block, ""),
            decided_by=admin,
            decided_at=now,
            note=HOSTILE[0][:300] if block == "decided" else "",
            task_id=HOSTILE[0][:200],
            generation_id=Generation.objects.latest("pk").pk if number == 2 else None,
            billed_e4=None if block == "missing" else 4800,
            recorded_e4=None if block == "unknown" else 123_456_789,
            lines=1,
        )
    ComparedDay.objects.mark([timezone.localdate(now)])
    months.update([timezone.localdate(now)], now)
    spans = {"starts_at": now - timedelta(days=9), "ends_at": now}
    GatewayLog.objects.create(
        name=HOSTILE[0][:200],
        by=admin,
        imported_at=now,
        lines=7,
        state=GatewayLog.State.DONE,
        **spans,
    )
    draft = GatewayLog(name=HOSTILE[0][:200], by=admin)
    header = f"time,amount,{HOSTILE[0]},{HOSTILE[1]}"
    draft.file.save(
        "draft.csv", ContentFile(f"{header}\n2026-11-24,0.48,{HOSTILE[0]},x\n".encode())
    )


def all_pages() -> dict[str, str]:
    """Return the address of each page, in each state, by a name."""
    first = Picture.objects.available()[0]
    failed = Generation.objects.filter(status=Status.FAILED)[0]
    stack = Generation.objects.filter(status=Status.SUCCEEDED, n=4).latest("pk")
    unconfirmed = Generation.objects.get(status=Status.UNCONFIRMED, batch=None)
    batch = Batch.objects.get()
    collection = Collection.objects.get()
    shown = [picture.pk for picture in Picture.objects.available()[:2]]
    disabled = Member.objects.get(is_active=False)
    different = Comparison.objects.get(block="different")
    draft = GatewayLog.objects.get(imported_at=None)
    member, _is_new = Member.objects.get_or_create(username=HOSTILE[0][:149])
    return {
        "studio": "/",
        "studio, reused settings": f"/?remix={first.generation_id}&use={first.pk}",
        "gallery": "/gallery/",
        "gallery, filtered": "/gallery/?q=family&favourite=1&since=x",
        "gallery, open stack": f"/gallery/?stack={stack.pk}",
        "gallery, by status": "/gallery/?state=failed",
        "gallery, no results": "/gallery/?q=nothing-is-like-that",
        "picture": f"/pictures/{first.pk}/",
        "comments": f"/pictures/{first.pk}/comments/",
        "edit a comment": f"/comments/{Comment.objects.latest('pk').pk}/edit/",
        "notifications": "/notifications/",
        "compare": f"/compare/?picture={shown[0]}&picture={shown[1]}",
        "search": "/search/",
        "search, results": "/search/?q=family",
        "search, no results": f"/search/?q={HOSTILE[0]}",
        "save as smart collection": "/collections/smart/new/?q=family&since=2026-01-01",
        "smart collection": f"/collections/smart/{SmartCollection.objects.get().pk}/",
        "gallery, smart collection": f"/gallery/?q=family&smart={SmartCollection.objects.get().pk}",
        "collections": "/collections/",
        "collection": f"/collections/{collection.pk}/",
        "collection, arranging": f"/collections/{collection.pk}/?arrange=1",
        "batch": f"/batches/{batch.pk}/",
        "batch, failed": f"/batches/{batch.pk}/?show=failed",
        "gallery, of a batch": f"/gallery/?batch={batch.pk}",
        "many at once": "/batches/new/",
        "many at once, again": f"/batches/new/?batch={batch.pk}",
        "prompt library": "/prompts/",
        "trash": "/trash/",
        "history": "/history/",
        "settings": "/settings/",
        "usage": "/usage/",
        "usage, only mine": "/usage/?mine=1",
        "usage, a month without any": "/usage/?month=2020-02",
        "usage, of a person": f"/usage/?person={member.pk}",
        "change password": "/settings/password/",
        "sessions": "/settings/sessions/",
        "second factor": "/settings/second-factor/",
        "confirm": "/settings/confirm/",
        "overview": "/admin/",
        "limits": "/admin/limits/",
        "audit log": "/admin/audit-log/",
        "audit log, filtered": "/admin/audit-log/?group=money&since=x",
        "queue": "/admin/queue/",
        "queue, deciding several": "/admin/queue/?select=unconfirmed",
        "requests": "/admin/requests/",
        "reconciliation": "/admin/reconciliation/",
        "reconciliation, deciding": f"/admin/reconciliation/?decide={different.pk}&as=kept",
        "upload a log": "/admin/reconciliation/upload/",
        "columns of a log": f"/admin/reconciliation/logs/{draft.pk}/",
        "correct a charge": f"/admin/ledger/{first.generation_id}/correct/",
        "engines and keys": "/admin/keys/",
        "fault drills": "/admin/drills/",
        "retention": "/admin/retention/",
        "settings of the team": "/admin/settings/",
        "people": "/admin/people/",
        "person": f"/admin/people/{member.pk}/",
        "person, disabled": f"/admin/people/{disabled.pk}/",
        "disable a person": f"/admin/people/{member.pk}/disable/",
        "limits of a person": f"/admin/people/{member.pk}/limits/",
        "password reset link": f"/admin/people/{member.pk}/reset-link/",
        "remove second factor": f"/admin/people/{member.pk}/remove-second-factor/",
        "invitations": "/admin/invitations/",
        "invitations, form": "/admin/invitations/?open=many",
        "hand over": f"/admin/people/{disabled.pk}/hand-over/",
        "invitation that does not work": "/invitations/unknown/",
        "generation": f"/generations/{first.generation_id}/",
        "variations": f"/generations/{first.generation_id}/variations/",
        "failed": f"/generations/{failed.pk}/",
        "unconfirmed": f"/generations/{unconfirmed.pk}/",
        "not found": "/pictures/999999/",
        **admin_pages(),
    }

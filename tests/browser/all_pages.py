"""An install with everything: a card in every state, hostile prompts, a full gallery."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from generations.models import (
    Collection,
    Failure,
    Generation,
    Invitation,
    InvitationTerms,
    Member,
    Picture,
    Status,
    UpstreamGate,
    bulk,
)
from generations.models.money import Limit, LimitRequest, Price, Window
from generations.permissions import Role
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
    make_generation(Status.SUCCEEDED, owner=admin, is_private=True, prompt=HOSTILE[1])
    Picture.objects.filter(pk=short.pictures.all()[0].pk).trash(admin)
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    for window in Window:
        Limit.objects.put(Limit.Scope.TEAM, window, money_e4=1_000_000, images=100)
    LimitRequest.objects.create(
        person=make_member("ask"), amount_e4=50_000, reason=HOSTILE[0][:300]
    )
    UpstreamGate.for_engine().pause(admin, HOSTILE[0][:60])
    make_member(HOSTILE[0][:150], is_active=False, role=Role.VIEWER)
    terms = InvitationTerms(Role.MEMBER, timezone.now() + timedelta(days=7), max_uses=5)
    Invitation.objects.invite(admin, terms, (HOSTILE[0][:254], HOSTILE[1], HOSTILE[3], ""))
    return admin


def all_pages() -> dict[str, str]:
    """Return the address of each page, in each state, by a name."""
    first = Picture.objects.available()[0]
    failed = Generation.objects.filter(status=Status.FAILED)[0]
    unconfirmed = Generation.objects.get(status=Status.UNCONFIRMED)
    collection = Collection.objects.get()
    shown = [picture.pk for picture in Picture.objects.available()[:2]]
    disabled = Member.objects.get(is_active=False)
    member, _is_new = Member.objects.get_or_create(username=HOSTILE[0][:149])
    return {
        "studio": "/",
        "studio, reused settings": f"/?remix={first.generation_id}&use={first.pk}",
        "gallery": "/gallery/",
        "gallery, filtered": "/gallery/?q=family&favourite=1&since=x",
        "gallery, by status": "/gallery/?state=failed",
        "gallery, no results": "/gallery/?q=nothing-is-like-that",
        "picture": f"/pictures/{first.pk}/",
        "compare": f"/compare/?picture={shown[0]}&picture={shown[1]}",
        "collections": "/collections/",
        "collection": f"/collections/{collection.pk}/",
        "collection, arranging": f"/collections/{collection.pk}/?arrange=1",
        "trash": "/trash/",
        "history": "/history/",
        "settings": "/settings/",
        "usage": "/usage/",
        "change password": "/settings/password/",
        "sessions": "/settings/sessions/",
        "second factor": "/settings/second-factor/",
        "confirm": "/settings/confirm/",
        "overview": "/admin/",
        "queue": "/admin/queue/",
        "fault drills": "/admin/drills/",
        "retention": "/admin/retention/",
        "settings of the team": "/admin/settings/",
        "people": "/admin/people/",
        "person": f"/admin/people/{member.pk}/",
        "person, disabled": f"/admin/people/{disabled.pk}/",
        "disable a person": f"/admin/people/{member.pk}/disable/",
        "hand over": f"/admin/people/{disabled.pk}/hand-over/",
        "invitation that does not work": "/invitations/unknown/",
        "generation": f"/generations/{first.generation_id}/",
        "variations": f"/generations/{first.generation_id}/variations/",
        "failed": f"/generations/{failed.pk}/",
        "unconfirmed": f"/generations/{unconfirmed.pk}/",
        "not found": "/pictures/999999/",
    }

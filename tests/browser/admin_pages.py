"""The pages of Django's admin with rows in all states, for the tests of all pages."""

from datetime import timedelta

from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task  # noqa: TID251

from generations.models import Generation, Member, Picture, Status, UpstreamGate
from generations.models.money import LedgerEntry, LimitRequest, Price, Quote, ledger

FUNCTION = "generations.worker.tasks.heartbeat"


def populate_admin(admin: Member, text: str) -> None:
    """Create entries of every kind in the ledger, and tasks, with this text where one is stored."""
    row = Generation.objects.filter(status=Status.SUCCEEDED, owner=admin)[0]
    quote = Quote("kling", "kling-v1", "", 1200, row.n)
    for reservation, images in ((1, 0), (2, row.n)):
        ledger.reserve(row.pk, reservation, admin, quote)
        ledger.end(row.pk, reservation, images)
    ledger.correct(row.pk, 2, 600, admin, text[:300])
    request = LimitRequest.objects.filter(decision="").first()
    assert request is not None
    granted = LimitRequest.objects.create(
        person=admin, amount_e4=10_000, reason=request.reason, decision=""
    )
    ledger.grant(granted, admin, timezone.now() + timedelta(days=1))
    Schedule.objects.create(name=text[:100], func=FUNCTION, next_run=timezone.now())
    OrmQ.objects.create(key="klingweb", payload="unreadable")
    for number, is_done in enumerate((True, False)):
        Task.objects.create(
            id=f"{number:032}",
            name=text[:100],
            func=FUNCTION,
            started=timezone.now(),
            stopped=timezone.now(),
            success=is_done,
            result=text,
        )


def admin_pages() -> dict[str, str]:
    """Return the address of each page by a name. One line for each page."""
    done = Generation.objects.filter(status=Status.SUCCEEDED)[0]
    failed = Generation.objects.filter(status=Status.FAILED)[0]
    entry, price = LedgerEntry.objects.all()[0], Price.objects.all()[0]
    rows = "/admin/generations"
    return {
        "admin: generations": f"{rows}/generation/",
        "admin: generations, filtered": f"{rows}/generation/?status__exact=failed",
        "admin: generations, no rows": f"{rows}/generation/?q=nothing-is-like-that",
        "admin: generation": f"{rows}/generation/{done.pk}/change/",
        "admin: failed generation": f"{rows}/generation/{failed.pk}/change/",
        "admin: images": f"{rows}/picture/",
        "admin: image": f"{rows}/picture/{Picture.objects.available()[0].pk}/change/",
        "admin: ledger": f"{rows}/ledgerentry/?period=all",
        "admin: ledger entry": f"{rows}/ledgerentry/{entry.pk}/change/",
        "admin: prices": f"{rows}/price/",
        "admin: price": f"{rows}/price/{price.pk}/change/",
        "admin: history of a price": f"{rows}/price/{price.pk}/history/",
        "admin: add price": f"{rows}/price/add/",
        "admin: import prices": f"{rows}/price/import/",
        "admin: rules of the team": f"{rows}/team/add/",
        "admin: diagnostics": "/admin/diagnostics/",
        "admin: gates": f"{rows}/upstreamgate/",
        "admin: gate": f"{rows}/upstreamgate/{UpstreamGate.for_engine().pk}/change/",
        "admin: scheduled tasks": "/admin/django_q/schedule/",
        "admin: queued tasks": "/admin/django_q/ormq/",
        "admin: successful tasks": "/admin/django_q/success/",
        "admin: failed task": f"/admin/django_q/failure/{1:032}/change/",
        "admin: not found": "/admin/nowhere/",
    }

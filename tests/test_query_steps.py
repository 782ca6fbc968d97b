"""No query of a page, of a loop or of the heartbeat costs more when the finished rows grow.

Counts the steps of SQLite's virtual machine, which are the same in every run, on a small and on a
large base: without statistics, with those of the small one, and with current ones. The rows that
match a filter are either few and the oldest ones, the worst case for reading in date order, or all.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import Model
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from generations import estimates
from generations.models import (
    DEFAULT_ENGINE,
    DEFAULT_MODEL,
    AuditAction,
    AuditEntry,
    Batch,
    Collection,
    CollectionItem,
    Comment,
    Favourite,
    Generation,
    Member,
    Notification,
    Picture,
    Quote,
    Recovered,
    SavedPrompt,
    SmartCollection,
    Status,
    Submission,
    Tag,
    Team,
    Transition,
    TransitionReason,
    Word,
    durations,
    statistics,
)
from generations.models.money import (
    BudgetWarning,
    ComparedDay,
    Comparison,
    GatewayLog,
    LedgerEntry,
    Period,
    UsageDay,
    Window,
)
from generations.models.money.month import Month
from generations.reconciliation.months import Figures
from generations.worker import dispatch, fetch, lookup, poll, submit, tasks
from tests.builders import make_admin, make_generation, make_member

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="counts the steps of SQLite"),
]

FEW, MANY = 600, 2400
RARE = 5  # rows that match a rare filter
MAX_SORTED = 100  # as MAX_SORTED_ROWS, so that a common filter exceeds it on the small base too
GRANULARITY = 10  # steps
ROWS_A_PAGE = 12  # less to render; what grows does so whatever the length of a page
PAGE_SIZES = (
    "generations.admin.generations.GenerationAdmin.list_per_page",
    "generations.admin.ledger.LedgerEntryAdmin.list_per_page",
    "generations.admin.pictures.PictureAdmin.list_per_page",
    "generations.web.batches.page.ROWS_A_PAGE",
    "generations.web.gallery.collections.PICTURES_A_PAGE",
    "generations.web.gallery.gallery.PICTURES_A_PAGE",
    "generations.web.gallery.gallery.ROWS_A_PAGE",
    "generations.web.gallery.gallery.STACKS_A_PAGE",
    "generations.web.gallery.trash.PICTURES_A_PAGE",
    "generations.web.studio.prompt_history.ROWS_A_PAGE",
)
# Steps. The tolerance is for small tables, such as periods, which a page reads or not.
MAX_GROWTH, TOLERANCE = 1.2, 4000
NO_PAGES = {
    # Forms and requests of scripts that only accept POST.
    "account_logout", "action", "arrange", "bulk", "delete-collection", "delete-permanently",
    "download", "record-search", "clear-searches", "delete-smart-collection",
    "enter-task-id", "resume-queue", "configure-queue",
    "decide", "decide-several", "hide-kind", "ask-for-more", "grant-more", "decline-more",
    "mark-read", "invite", "invitations-csv", "enable-person", "revoke-invitation",
    "mail-invitations", "end-sessions", "set-limit", "audit-log-csv",
    "match-again", "reconciliation-report", "decide-difference", "assign-task", "cancel-log",
    "fetch-log", "decide-differences", "put-account-key", "test-account-key", "remove-account-key",
    "usage-csv", "use-similar", "show-stacks", "remove-demo-data", "batch-action", "use-prompt",
    "change-prompt",
    "put-key", "test-key", "remove-key", "same-account",
    "test-prompt", "start-drill", "run-retention",
    "delete-comment", "mark-all-read",
    # Without a query of their own, or only for visitors who are not signed in.
    # Before the team has finished rows; their queries are about the team alone.
    "setup", "set-language", "setup-restart", "set-up-team",
    "account_login", "healthz", "favicon", "callback", "invitation", "forgotten-password",
    "reset-password",
    "openid_connect_login", "openid_connect_callback", "mfa_authenticate",
    # Forms about the second factor of one member, behind the password.
    "account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn",
    "mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_remove_webauthn",
    "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_download_recovery_codes",
}  # fmt: skip


# --- the base ------------------------------------------------------------------------------------


class Base:
    """A team of four, of whom `viewer` is an admin, with rows that can be added."""

    def __init__(self) -> None:
        self.viewer = make_admin("viewer")
        self.people = [self.viewer, *(make_member(name) for name in ("collector", "ann", "bob"))]
        self.collector = self.people[1]  # has marked every picture as a favourite
        self.tags = {name: Tag.objects.named(name) for name in ("rare", "common")}
        self.collections = {
            name: Collection.objects.create(name=name, created_by=self.viewer)
            for name in ("small", "large")
        }
        self.batches: list[Batch] = []
        SavedPrompt.objects.create(owner=self.viewer, text="A pear", is_shared=True)
        self.smart_collection = SmartCollection.objects.create(
            name="common pears", query="q=pear", created_by=self.collector, is_private=False
        )
        self.size = 0
        self.discussed: Picture | None = None  # with the comments of `viewer`
        self.start = timezone.now() - timedelta(days=300)
        self.busy_month = Month.current(Team.objects.current().zone).previous
        self.busy_days = self._busy_periods()
        self.draft = GatewayLog.objects.create()
        self.draft.file.save("draft.csv", ContentFile(b"time,amount\n2026-11-24,0.48\n"))
        self.import_ = GatewayLog.objects.create(
            state="matching", imported_at=self.start, starts_at=self.start, ends_at=self.start
        )
        self._sum_up()

    def _busy_periods(self) -> list[Period]:
        """The last month of the team, and ten days of it."""
        start, end = self.busy_month.boundaries
        Period.objects.create(window=Window.MONTH, starts_at=start, ends_at=end)
        return [
            Period.objects.create(
                window=Window.DAY,
                starts_at=start + timedelta(days=number),
                ends_at=start + timedelta(days=number + 1),
            )
            for number in range(10)
        ]

    def grow(self, size: int) -> None:
        """Add finished rows, each newer than those before."""
        numbers = range(self.size, size)
        self.size = size
        rows = Generation.objects.bulk_create(self._row(number) for number in numbers)
        Transition.objects.bulk_create(
            Transition(generation=row, to_status=row.status, reason=TransitionReason.STORED)
            for row in rows
            for _time in range(2)
        )
        Submission.objects.bulk_create(
            Submission(
                generation=row, attempt=1, deadline_at=row.created_at, holder="test:1:1",
                outcome=Submission.Outcome.ACCEPTED, upstream_task_id=row.upstream_task_id,
            )
            for row in rows
        )  # fmt: skip
        pictures = Picture.objects.bulk_create(
            picture for row in rows for picture in self._pictures(row)
        )
        self._notify(rows, pictures)
        self._spend(numbers[::4])
        self._audit(numbers)
        self._fill_busy_days(numbers)
        self._compare(rows)
        of_first = [each for each in pictures if each.generation.idempotency_key < f"{RARE:06}"]
        stored = [each for each in pictures if each.trashed_at is None]
        for member, marked in ((self.viewer, of_first), (self.collector, stored)):
            Favourite.objects.bulk_create(
                Favourite(member=member, picture=picture) for picture in marked
            )
        tagged = Picture.tags.through
        for name, marked in (("rare", of_first), ("common", stored)):
            tagged.objects.bulk_create(
                tagged(picture=picture, tag=self.tags[name]) for picture in marked
            )
        for name, marked in (("small", of_first), ("large", stored)):
            CollectionItem.objects.bulk_create(
                CollectionItem(
                    collection=self.collections[name], picture=picture, position=picture.pk
                )
                for picture in marked
            )
        Word.objects.learn_all()

    def _notify(self, rows: Sequence[Generation], pictures: Sequence[Picture]) -> None:
        """One notification for each row, of which few are unread, and a comment on each picture.

        All comments of `self.viewer` are on one picture.
        """
        Notification.objects.bulk_create(
            Notification(
                member=row.owner,
                kind=Notification.Kind.GENERATION,
                topic=f"g{row.pk}",
                generation=row,
                at=row.created_at + timedelta(days=290),
                read_at=None if row.idempotency_key < f"{RARE:06}" else row.created_at,
            )
            for row in rows
        )
        Notification.objects.prune()
        self.discussed = self.discussed or pictures[0]
        Comment.objects.bulk_create(
            Comment(picture=picture, author=author, text="Nice")
            for each in pictures
            for picture, author in ((each, self.collector), (self.discussed, self.viewer))
        )

    def _audit(self, numbers: range) -> None:
        """Of all entries, the oldest ones alone are of a rare kind, object and day."""
        AuditEntry.objects.bulk_create(
            AuditEntry(
                at=self.start + timedelta(minutes=number),
                action=AuditAction.PRICE_SET if number < RARE else AuditAction.SIGNED_IN,
                by=self.people[number % 4],
                target_type="member",
                target_id=str(self.collector.pk),
                target_label="ammonite" if number < RARE else "collector",
            )
            for number in numbers
        )

    def _place(self, number: int) -> dict[str, Any]:
        """All rows of the collector are in batches of ten."""
        if self.people[number % 4] != self.collector:
            return {}
        index, row = divmod(number // 4, 10)
        if row == 0:
            self.batches.append(
                Batch.objects.create(owner=self.collector, idempotency_key=f"{index}")
            )
        return {"batch": self.batches[index], "batch_row": row + 1}

    def _row(self, number: int) -> Generation:
        created_at = self.start + timedelta(minutes=number)
        is_rare = number < RARE
        is_failed = number % 10 == 9 or (is_rare and number % 2 == 1)
        return Generation(
            owner=self.people[number % 4],
            idempotency_key=f"{number:06}",
            created_at=created_at,
            prompt=f"A pear {'ammonite' if is_rare else 'plum'}",
            search_text=f"a pear {'ammonite' if is_rare else 'plum'}",
            aspect_ratio="21:9" if is_rare else "1:1",
            n=2,
            reference_url="https://pictures.example/1.png" if is_rare else "",
            is_private=number % 20 == 3,
            status=Status.FAILED if is_failed else Status.SUCCEEDED,
            failure="policy" if is_failed else "",
            status_at=created_at,
            finished_at=created_at + timedelta(seconds=20),
            submitted_at=created_at,
            attempt=1,
            upstream_task_id=f"old-{number}",
            accepted_at=timezone.now(),
            **self._place(number),
        )

    def _spend(self, numbers: Sequence[int]) -> None:
        """Days with an entry each, far in the past, and warnings that were read.

        The entries of the team are in one month.
        """
        now = timezone.now()
        team, _is_new = Period.objects.get_or_create(
            member=None, window=Window.MONTH, starts_at=self.start, defaults={"ends_at": now}
        )
        for member in (None, self.viewer):
            periods = Period.objects.bulk_create(
                Period(
                    member=member,
                    window=Window.DAY,
                    starts_at=now - timedelta(days=100 + number),
                    ends_at=now - timedelta(days=99 + number),
                    charged_e4=100,
                )
                for number in numbers
            )
            LedgerEntry.objects.bulk_create(
                LedgerEntry(
                    at=self.start + timedelta(minutes=number),
                    kind="correct" if number < RARE else "charge",
                    key=f"g{number}.r1.end",
                    period=period if member else team,
                    upstream=period.upstream,
                    generation_id=number,
                    person=self.viewer,
                    charged_e4=100,
                )
                for number, period in zip(numbers, periods, strict=True)
            )
            BudgetWarning.objects.bulk_create(
                BudgetWarning(period=period, percent=50, person=self.viewer, read_at=now)
                for period in periods
            )

    def _fill_busy_days(self, numbers: Sequence[int]) -> None:
        """More entries on the same days. The job rolls them up."""
        month = Period.objects.get(
            member=None, window=Window.MONTH, starts_at=self.busy_month.boundaries[0]
        )
        for day, period in enumerate(self.busy_days):
            LedgerEntry.objects.bulk_create(
                LedgerEntry(
                    at=period.starts_at + timedelta(minutes=number % 1000),
                    kind="charge",
                    key=f"busy{number}",
                    period=counted,
                    upstream=period.upstream,
                    generation_id=number,
                    engine="kling",
                    model=f"kling-v{number % 2}",
                    person=self.people[number % 4],
                    charged_e4=100,
                    charged_images=1,
                )
                for number in numbers[day::10]
                for counted in (period, month)
            )
            amount = len(numbers[day::10])
            period.charged_e4 += 100 * amount
            period.charged_images += amount
            period.save()
        tasks.roll_up_usage()
        assert UsageDay.objects.filter(period__in=self.busy_days, is_outdated=False).count() == 10

    def _sum_up(self) -> None:
        """The figures of the first two months, with all groups."""
        figures = asdict(Figures(by_task=600, counts=dict.fromkeys(Comparison.Block, RARE)))
        for days in range(62):
            day = self.start.date() + timedelta(days=days)
            ComparedDay.objects.create(day=day, matched_at=timezone.now(), figures=figures)

    def _compare(self, rows: Sequence[Generation]) -> None:
        """Each row is in a log, and matched; the first ones differ, and two are decided."""
        Comparison.objects.bulk_create(
            Comparison(
                key=f"g{row.pk}",
                at=row.created_at,
                group="different" if row.idempotency_key < f"{RARE:06}" else "matched",
                decision="kept" if row.idempotency_key < "000002" else "",
                block=_block(row.idempotency_key),
                decided_at=row.created_at,
                generation_id=row.pk,
                task_id=row.upstream_task_id,
                billed_e4=4800,
                recorded_e4=4800,
                lines=1,
            )
            for row in rows
        )

    def _pictures(self, row: Generation) -> Iterator[Picture]:
        if row.status != Status.SUCCEEDED:
            return
        for index in range(row.n):
            yield Picture(
                generation=row, index=index, state=Picture.State.STORED, stored_at=row.status_at,
                file="a.png", preview="b.webp", thumbnail="c.webp", content_type="image/png",
                width=64, height=64, size_bytes=1, sha256="0" * 64, colour="#000000",
                trashed_at=row.status_at if row.idempotency_key == "000000" and index else None,
            )  # fmt: skip


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Base:
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", MAX_SORTED)
    monkeypatch.setattr("generations.web.counts.MAX_COUNT", MAX_SORTED)
    monkeypatch.setattr("generations.models.notification.MAX_PER_MEMBER", MAX_SORTED)
    monkeypatch.setattr("generations.web.admin.audit_filter.MAX_LOOKED_AT", MAX_SORTED)
    for name in PAGE_SIZES:
        monkeypatch.setattr(name, ROWS_A_PAGE)
    base = Base()
    for status in (Status.QUEUED, Status.RUNNING, Status.UNCONFIRMED, Status.FETCHING):
        for owner in base.people[2:]:
            row = make_generation(status, owner=owner, next_poll_at=timezone.now())
            row.pictures.update(next_try_at=timezone.now())
    base.grow(FEW)
    return base


def _block(key: str) -> str:
    if key < "000002":
        return "decided"
    return "different" if key < f"{RARE:06}" else "matched"


def forget_statistics() -> None:
    """Bring the planner to the state of an install that was never analyzed."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS sqlite_stat1")
        # Reads the schema again: "ANALYZE sqlite_schema" would keep the row counts of tables.
        cursor.execute("PRAGMA writable_schema = RESET")


# --- what is measured ----------------------------------------------------------------------------


def page_names(patterns: list[Any], prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from page_names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern) and pattern.name:
            yield prefix + pattern.name


def pages(base: Base) -> dict[str, list[str]]:
    """The addresses that are measured, by the name of the page."""
    middle = Generation.objects.get(idempotency_key=f"{FEW // 2:06}")
    picture = middle.pictures.all()[0]
    assert base.discussed
    rare = Picture.objects.earliest("pk")
    gallery = [
        "", "?q=ammonite", "?q=pear", "?q=pear+plum", "?q=zzz", "?q=mmonit",
        "?q=amonite", "?q=lum", "?q=plim+pear", "?q=viewer+pear", "?q=viewer+ammonite", "?q=21:9",
        "?q=21:9+pear", "?q=1:1", "?q=rare", "?q=common+pear", "?q=viewer+rare",
        "?ratio=21:9", "?ratio=1:1",
        "?favourite=1", "?q=ammonite&favourite=1", "?q=pear&favourite=1", "?state=failed",
        "?state=running", "?state=canceled", "?ratio=wide", "?ratio=tall&ratio=1:1",
        "?private=1", "?reference=with", "?reference=without",
        f"?by={base.collector.pk}", f"?by={base.collector.pk}&ratio=21:9",
        *(f"?tag={tag.pk}" for tag in base.tags.values()),
        *(f"?collection={each.pk}" for each in base.collections.values()),
        f"?collection={base.collections['large'].pk}&by={base.people[2].pk}&favourite=1",
        f"?month={base.start:%Y-%m}", f"?since={base.start:%Y-%m-%d}",
        f"?until={base.start:%Y-%m-%d}", f"?before={_key(middle)}", f"?after={_key(middle)}",
        f"?before={_key(middle)}&favourite=1",
        f"?batch={base.batches[0].pk}", f"?batch={base.batches[0].pk}&favourite=1",
        f"?like={picture.pk}", f"?like={rare.pk}", f"?like={picture.pk}&q=pear",
    ]  # fmt: skip
    return {
        "studio": ["/", f"/?remix={middle.pk}", f"/?remix={middle.pk}&use={picture.pk}"],
        "changes": [f"/cards/changes?card={middle.pk}:1"],
        "generation": [f"/generations/{middle.pk}/"],
        "variations": [f"/generations/{middle.pk}/variations/"],
        "new-batch": ["/batches/new/", f"/batches/new/?batch={base.batches[0].pk}"],
        "batch": [f"/batches/{base.batches[0].pk}/", f"/batches/{base.batches[0].pk}/?show=failed"],
        "batch-changes": [f"/batches/{base.batches[0].pk}/changes?rows={middle.pk}.1"],
        "batch-csv": [f"/batches/{base.batches[0].pk}/csv"],
        "prompts": ["/prompts/", "/prompts/?q=pear"],
        "demo": ["/demo/"],
        "similar": ["/similar?prompt=a+pear+ammonite&aspect_ratio=21:9"],
        "history": ["/history/", "/history/?q=ammonite", "/history/?q=pear"],
        "gallery": [f"/gallery/{query}" for query in gallery],
        "gallery-counts": [
            f"/gallery/counts{query}{'&' if query else '?'}shown={base.start:%Y-%m}"
            for query in ("", "?q=pear", "?favourite=1", "?ratio=wide")
        ],
        "stack": [f"/gallery/stacks/{middle.pk}/"],
        "search": [
            "/search/",
            *(
                f"/search/?q={text}"
                for text in ("ammonite", "pear", "zzz", "viewer", "common", "large", "plim", "a")
            ),
        ],
        "new-smart-collection": ["/collections/smart/new/?q=pear"],
        "smart-collection": [f"/collections/smart/{base.smart_collection.pk}/"],
        "picture": [f"/pictures/{picture.pk}/", f"/pictures/{picture.pk}/?favourite=1"],
        "comments": [
            f"/pictures/{base.discussed.pk}/comments/",
            f"/pictures/{base.discussed.pk}/comments/?before={Comment.objects.order_by('pk')[FEW].pk}",
        ],
        "mentionable": [f"/pictures/{picture.pk}/comments/people?q=a"],
        "notifications": ["/notifications/"],
        "compare": [f"/compare/?picture={picture.pk}&picture={picture.pk + 1}"],
        "collections": ["/collections/"],
        "collection": [f"/collections/{each.pk}/" for each in base.collections.values()],
        "trash": ["/trash/"],
        "settings": ["/settings/"],
        "usage": [
            "/usage/",
            f"/usage/?month={base.busy_month}",
            f"/usage/?month={base.busy_month}&mine=1",
            f"/usage/?month={base.busy_month}&person={base.collector.pk}",
        ],
        "account_change_password": ["/settings/password/"],
        "usersessions_list": ["/settings/sessions/"],
        "mfa_index": ["/settings/second-factor/"],
        "file": [f"/files/{picture.pk}/thumbnail"],
        "reference": ["/references/1"],
    }


def pages_of_admins(base: Base) -> list[str]:
    """Lists with each filter, kinds of search, and a later page; then the page of one row."""
    middle = Generation.objects.get(idempotency_key=f"{FEW // 2:06}")
    picture, person = middle.pictures.all()[0], base.people[3].pk
    saved = {"images": 1, "amount_e4": 1200}
    Recovered.objects.get_or_create(generation_id=middle.pk, defaults=saved)
    entry, period = LedgerEntry.objects.all()[0], LedgerEntry.objects.all()[0].period_id
    today = "at__gte=2000-01-01+00%3A00%3A00%2B00%3A00&at__lt=2100-01-01+00%3A00%3A00%2B00%3A00"
    created = today.replace("at__", "created_at__")
    lists = {
        "generation": [
            f"?p={_key(middle)}", "?status__exact=failed", "?status__exact=running",
            "?status__exact=succeeded", "?failure=policy", "?failure=files", f"?person={person}",
            f"?person={person}&status__exact=failed", f"?person={person}&status__exact=canceled",
            "?failure=policy&status__exact=succeeded", f"?{created}", f"?{created}&failure=policy",
            "?q=ammonite", "?q=pear", "?q=zzz", f"?q={middle.pk}", "?q=old-7", "?q=viewer",
            "?q=pear&status__exact=failed", "?q=ammonite&status__exact=succeeded",
            f"?q=pear&person={person}", "?q=viewer&status__exact=running",
            "?recovered=month", "?recovered=ever&status__exact=succeeded",
        ],
        "picture": [
            f"?p={picture.pk}", "?state=not-stored", "?state=trashed", "?q=ammonite", "?q=pear",
            "?q=zzz", f"?q={middle.pk}", f"?q={'0' * 64}", f"?q={'1' * 64}",
            "?q=pear&state=trashed",
        ],
        "ledgerentry": [
            "?period=all", f"?p={_key(entry, 'at')}", f"?p={_key(entry, 'at')}&period=all",
            "?kind__exact=correct", "?kind__exact=charge", "?kind__exact=grant",
            f"?person={base.viewer.pk}", f"?person={person}", f"?period={period}", f"?{today}",
            f"?kind__exact=correct&person={base.viewer.pk}",
            f"?kind__exact=charge&period={period}", f"?{today}&kind__exact=correct", "?q=7",
        ],
        "upstreamgate": [], "price": [],
    }  # fmt: skip
    rows = {"generation": middle, "picture": picture, "ledgerentry": entry}
    return [
        "/admin/queue/", "/admin/keys/",
        *(address for name in pages_of_people(base).values() for address in name),
        *(address for name in pages_of_reconciliation(base).values() for address in name),
        "/admin/", "/admin/diagnostics/",
        *(f"/admin/generations/{name}/{query}" for name in lists for query in ("", *lists[name])),
        *(f"/admin/generations/{name}/{row.pk}/change/" for name, row in rows.items()),
    ]  # fmt: skip


def pages_of_reconciliation(base: Base) -> dict[str, list[str]]:
    return {
        "reconciliation": [
            "/admin/reconciliation/",
            f"/admin/reconciliation/?month={base.start:%Y-%m}",
            f"/admin/reconciliation/?month={base.start:%Y-%m}&group=matched",
            f"/admin/reconciliation/?month={base.start:%Y-%m}&group=decided",
        ],
        "upload-log": ["/admin/reconciliation/upload/"],
        "gateway-log": [
            f"/admin/reconciliation/logs/{base.draft.pk}/",
            f"/admin/reconciliation/logs/{base.import_.pk}/",
        ],
        "correct-charge": [f"/admin/ledger/{Generation.objects.earliest('pk').pk}/correct/"],
    }  # fmt: skip


def pages_of_people(base: Base) -> dict[str, list[str]]:
    person = f"/admin/people/{base.collector.pk}/"
    return {
        "people": ["/admin/people/", "/admin/people/?show=over", "/admin/people/?q=an"],
        "requests": ["/admin/requests/"],
        "overview": ["/admin/"],
        "limits": ["/admin/limits/"],
        "edit-comment": [f"/comments/{_comment_of(base).pk}/edit/"],
        "audit-log": [f"/admin/audit-log/{query}" for query in _audit_queries(base)],
        "team-settings": ["/admin/settings/"],
        "retention": ["/admin/retention/"],
        "drills": ["/admin/drills/"],
        "person": [person],
        "person-limits": [f"{person}limits/"],
        "create-reset-link": [f"{person}reset-link/"],
        "remove-second-factor": [f"{person}remove-second-factor/"],
        "invitations": ["/admin/invitations/", "/admin/invitations/?show=ended"],
        "disable-person": [f"{person}disable/"],
        "hand-over": [f"{person}hand-over/"],
    }


def _comment_of(base: Base) -> Comment:
    """The first one, before all others on its picture."""
    return Comment.objects.filter(author=base.viewer).earliest("pk")


def _audit_queries(base: Base) -> list[str]:
    day = f"{base.start:%Y-%m-%d}"
    middle = AuditEntry.objects.order_by("pk")[FEW // 2].pk
    return [
        "", "?group=money", "?group=sign-ins", "?group=files", f"?person={base.people[2].pk}",
        f"?person={base.collector.pk}", "?person=system", "?text=ammonite", "?text=collector",
        f"?since={day}", f"?until={day}", f"?since={day}&until={day}&group=money",
        f"?person={base.collector.pk}&group=money", "?group=sign-ins&text=ammonite",
        f"?person={base.people[2].pk}&group=sign-ins&since={day}&text=ammonite",
        f"?before={middle}", f"?before={middle}&group=sign-ins",
    ]  # fmt: skip


def rounds() -> dict[str, Callable[[], Any]]:
    """One round of each loop as far as it reads the database, and the beats."""
    objects = Generation.objects
    return {
        "submit, has work": submit.has_work,
        "submit, claim": lambda: dispatch.claim_next(8),
        "submit, sweep": submit.sweep,
        "poll, has work": poll.has_work,
        "poll, claim": lambda: objects.claim_due(8, 60),
        "poll, limit": lambda: poll.PollConcurrency().limit(),
        "poll, sweep": poll.sweep,
        "poll, reset": lambda: objects.reset_claims(60),
        "fetch, has work": fetch.has_work,
        "fetch, due": lambda: Picture.objects.due_by_turn(8),
        "fetch, sweep": fetch.sweep,
        "fetch, release": lambda: Picture.objects.release_dead_claims(),
        "lookup, has work": lookup.has_work,
        "lookup, claim": lambda: objects.claim_lookups(8, 60),
        "lookup, reset": lambda: objects.reset_lookup_claims(60),
        "reserve and release": reserve_and_release,
        "heartbeat": tasks.heartbeat,
        "prune": tasks.prune_expired_rows,
        "durations": lambda: durations._read(kind(False)),
        "durations with a reference": lambda: durations._read(kind(True)),
    }


def kind(with_reference: bool) -> durations.Kind:
    mode = django_settings.UPSTREAM_MODE
    return durations.Kind(mode, DEFAULT_ENGINE, DEFAULT_MODEL, with_reference)


def reserve_and_release() -> None:
    member = Member.objects.get(username="viewer")
    price = Quote("kling", "kling-v1", "", 100, 1)
    row, _created = Generation.objects.request(
        owner=member, key=str(uuid4()), quote=price, prompt="A pear", aspect_ratio="1:1"
    )
    assert row.cancel(member, row.version)


def _key(row: Model, field: str = "created_at") -> str:
    from generations.web.keyset import key_of

    return key_of(row, field)


# --- measuring -----------------------------------------------------------------------------------


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """Count steps in the first element, in units of `GRANULARITY`."""
    count = [0]

    def step() -> int:
        count[0] += GRANULARITY
        return 0

    connection.ensure_connection()
    connection.connection.set_progress_handler(step, GRANULARITY)
    try:
        yield count
    finally:
        connection.connection.set_progress_handler(None, 0)


def measure(base: Base, *, fills_caches: bool = False) -> dict[str, int]:
    """The steps of each page and each round. What they write is rolled back.

    The caches are filled once for each size of the base.
    """
    steps: dict[str, int] = {}
    for member in (base.viewer, base.collector):
        client = Client()
        client.force_login(member)
        addresses = [each for name in pages(base).values() for each in name]
        if member is base.viewer:
            addresses += pages_of_admins(base)
        for address in addresses:
            if fills_caches:
                client.get(address)
            with counted_steps() as count:
                response = client.get(address)
            is_file = address.startswith(("/files/", "/references/"))
            assert response.status_code == (404 if is_file else 200), address
            steps[f"{member.username}: {address}"] = count[0]
    for name, run in rounds().items():
        with transaction.atomic(), counted_steps() as count:
            run()
            transaction.set_rollback(True)
        steps[name] = count[0]
    return steps


def test_no_query_grows_with_finished_rows(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(django_settings, "UPSTREAM_LOOKUP", "reference")
    monkeypatch.setattr(estimates, "CACHE_SECONDS", 0)
    # Read by whichever page comes after their end; measured by themselves, in `rounds`.
    monkeypatch.setattr(durations, "CACHE_SECONDS", 3600)
    forget_statistics()
    few_without = measure(base, fills_caches=True)
    statistics.update()
    few = measure(base)
    base.grow(MANY)
    old = measure(base, fills_caches=True)
    statistics.update()
    current = measure(base)
    forget_statistics()
    without = measure(base)
    growing = [
        *growth("no statistics", few_without, without),
        *growth("old statistics", few, old),
        *growth("current statistics", few, current),
    ]
    assert not growing, "\n".join(growing)


def growth(kind: str, few: dict[str, int], many: dict[str, int]) -> list[str]:
    """What takes more steps than it may on the large base."""
    return [
        f"{kind}: {name}: {steps} -> {many[name]} steps"
        for name, steps in few.items()
        if many[name] > MAX_GROWTH * steps + TOLERANCE
    ]


def test_every_page_is_measured(base: Base) -> None:
    names = {name for name in page_names(get_resolver().url_patterns) if ":" not in name}
    measured = pages(base).keys() | pages_of_people(base).keys() | {"queue", "diagnostics", "keys"}
    measured |= pages_of_reconciliation(base).keys()
    assert names == measured | NO_PAGES

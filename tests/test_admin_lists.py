"""The lists of the admin: search, filters, pages by key, and the HTML around the rows."""

import re
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import (
    AuditAction,
    AuditEntry,
    Failure,
    Generation,
    Member,
    Picture,
    Recovered,
    Status,
)
from generations.models.money import LedgerEntry, LimitRequest, Price, Quote, ledger
from tests.builders import make_generation
from tests.forms import text_of

pytestmark = pytest.mark.django_db

GENERATIONS = "/admin/generations/generation/"
PICTURES = "/admin/generations/picture/"
LEDGER = "/admin/generations/ledgerentry/"


def listed(client: Client, url: str) -> list[int]:
    """The ids of the rows of a list, in order."""
    page = client.get(url)
    assert page.status_code == 200, url
    kind = url.split("/")[3]
    pattern = rf'<a href="/admin/generations/{kind}/(\d+)/change/'
    table = page.content.decode().partition("<tbody>")[2]
    ids = [int(each) for each in re.findall(pattern, table)]
    return list(dict.fromkeys(ids))


def make_many(count: int, owner: Member) -> list[Generation]:
    """Rows, oldest first; each two have the same time."""
    start = timezone.now() - timedelta(days=1)
    return [
        make_generation(
            Status.SUCCEEDED, owner=owner, created_at=start + timedelta(minutes=number // 2)
        )
        for number in range(count)
    ]


# --- pages by key --------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [GENERATIONS, PICTURES])
def test_older_pages_show_every_row_once(admin_client: Client, owner: Member, url: str) -> None:
    rows = make_many(120, owner)
    expected = rows if url == GENERATIONS else list(Picture.objects.order_by("pk"))
    shown: list[int] = []
    address = url
    while address:
        shown += listed(admin_client, address)
        page = admin_client.get(address).content.decode()
        older = re.search(r'rel="next" href="(\?[^"]+)"', page)
        address = f"{url}{older[1]}" if older else ""
    assert shown == [row.pk for row in reversed(expected)]


def test_later_pages_keep_the_filter_and_lead_back(admin_client: Client, owner: Member) -> None:
    make_many(60, owner)
    page = admin_client.get(f"{GENERATIONS}?person={owner.pk}").content.decode()
    older = re.search(r'rel="next" href="(\?[^"]+)"', page)
    assert older
    assert f"person={owner.pk}" in older[1]
    second = admin_client.get(GENERATIONS + older[1].replace("&amp;", "&")).content.decode()
    assert f'href="?person={owner.pk}">Newest' in second


@pytest.mark.parametrize("key", ["x", "5-x", "99999999999999999999999-1", "1-1-1"])
def test_page_of_an_unreadable_key_is_not_found(admin_client: Client, key: str) -> None:
    assert admin_client.get(GENERATIONS, {"p": key}).status_code == 404


def test_order_cannot_be_chosen(admin_client: Client, owner: Member) -> None:
    rows = make_many(4, owner)
    assert listed(admin_client, f"{GENERATIONS}?o=1") == [row.pk for row in reversed(rows)]


# --- search --------------------------------------------------------------------------------------


def test_generations_are_found_by_words_id_task_and_user_name(
    admin_client: Client, owner: Member, stranger: Member
) -> None:
    pear = make_generation(Status.SUCCEEDED, owner=owner, prompt="A quiet pear")
    fog = make_generation(Status.RUNNING, owner=stranger, prompt="Fog at dawn")
    for text, expected in (
        ("pea", [pear]),
        ("quiet pear", [pear]),
        ("pear fog", []),
        (str(fog.pk), [fog]),
        (f"#{fog.pk}", [fog]),
        (fog.upstream_task_id, [fog]),
        (stranger.username.upper(), [fog]),
    ):
        found = listed(admin_client, f"{GENERATIONS}?q={text.replace('#', '%23')}")
        assert found == [row.pk for row in expected], text


def test_images_are_found_by_words_generation_and_checksum(
    admin_client: Client, owner: Member
) -> None:
    pear = make_generation(Status.SUCCEEDED, owner=owner, n=2, prompt="A quiet pear")
    fog = make_generation(Status.SUCCEEDED, owner=owner, prompt="Fog at dawn")
    pictures = {row: [each.pk for each in row.pictures.order_by("-pk")] for row in (pear, fog)}
    Picture.objects.filter(generation=fog).update(sha256="ab" * 32)
    assert listed(admin_client, f"{PICTURES}?q=pear") == pictures[pear]
    assert listed(admin_client, f"{PICTURES}?q={fog.pk}") == pictures[fog]
    assert listed(admin_client, f"{PICTURES}?q={'AB' * 32}") == pictures[fog]
    assert listed(admin_client, f"{PICTURES}?q={'cd' * 32}") == []


# --- filters -------------------------------------------------------------------------------------


def test_generations_by_state_failure_and_person(
    admin_client: Client, owner: Member, stranger: Member
) -> None:
    policy = make_generation(Status.FAILED, owner=owner, failure=Failure.POLICY)
    files = make_generation(Status.FAILED, owner=stranger, failure=Failure.FILES)
    done = make_generation(Status.SUCCEEDED, owner=stranger)
    for query, expected in (
        ("status__exact=failed", {policy, files}),
        ("failure=policy", {policy}),
        ("failure=policy&status__exact=failed", {policy}),
        ("failure=policy&status__exact=succeeded", set()),
        (f"person={stranger.pk}", {files, done}),
        (f"person={stranger.pk}&status__exact=failed", {files}),
        ("person=x", set()),
    ):
        found = set(listed(admin_client, f"{GENERATIONS}?{query}"))
        assert found == {row.pk for row in expected}, query


def test_recovered_generations_of_this_month_or_ever(admin_client: Client, owner: Member) -> None:
    rows = make_many(3, owner)
    long_ago = timezone.now() - timedelta(days=40)
    for row, at in zip(rows, (timezone.now(), long_ago), strict=False):
        Recovered.objects.create(generation_id=row.pk, images=1, amount_e4=1200, at=at)
    now, before, other = (row.pk for row in rows)
    assert listed(admin_client, f"{GENERATIONS}?recovered=month") == [now]
    assert set(listed(admin_client, f"{GENERATIONS}?recovered=ever")) == {now, before}
    assert set(listed(admin_client, f"{GENERATIONS}?recovered=x")) == {now, before, other}
    page = admin_client.get("/admin/").content.decode()
    assert f'<a href="{GENERATIONS}?recovered=month">1 image was recovered' in page


def test_images_by_state(admin_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3)
    kept, trashed, wanted = row.pictures.order_by("index")
    Picture.objects.filter(pk=trashed.pk).update(trashed_at=timezone.now())
    Picture.objects.filter(pk=wanted.pk).update(state=Picture.State.WANTED)
    assert listed(admin_client, f"{PICTURES}?state=trashed") == [trashed.pk]
    assert listed(admin_client, f"{PICTURES}?state=not-stored") == [wanted.pk]
    assert set(listed(admin_client, PICTURES)) == {kept.pk, trashed.pk, wanted.pk}


# --- the ledger ----------------------------------------------------------------------------------


@pytest.fixture
def charged(owner: Member, admin: Member) -> Generation:
    """Reserved, charged and corrected, and a grant for its owner."""
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    ledger.reserve(row.pk, 1, owner, Quote("kling", "kling-v1", "", 1200, 2))
    ledger.end(row.pk, 1, 2)
    ledger.correct(row.pk, 1, 600, admin, "billed once")
    request = LimitRequest.objects.create(person=owner, amount_e4=50_000, reason="Spring")
    ledger.grant(request, admin, timezone.now() + timedelta(days=9))
    return row


def test_ledger_shows_each_step_once_and_says_its_cause(
    admin_client: Client, charged: Generation
) -> None:
    kinds = [LedgerEntry.objects.get(pk=pk).kind for pk in listed(admin_client, LEDGER)]
    assert kinds == ["grant", "grant", "correct", "charge", "reserve"]  # a grant: month and day
    assert len(listed(admin_client, f"{LEDGER}?period=all")) == LedgerEntry.objects.count()
    page = admin_client.get(LEDGER).content.decode()
    assert f'<a href="{GENERATIONS}{charged.pk}/change/">generation {charged.pk}</a>' in page
    for text in ("2 images at", "billed once, by admin", "Spring, by admin", "Team, "):
        assert text in page


def test_ledger_by_kind_person_period_and_generation(
    admin_client: Client, charged: Generation, owner: Member, stranger: Member
) -> None:
    entry = LedgerEntry.objects.filter(kind="charge")[0]
    assert len(listed(admin_client, f"{LEDGER}?kind__exact=charge")) == 1
    assert len(listed(admin_client, f"{LEDGER}?person={owner.pk}&kind__exact=charge")) == 1
    assert listed(admin_client, f"{LEDGER}?person={stranger.pk}") == []
    assert len(listed(admin_client, f"{LEDGER}?period={entry.period_id}")) == 3
    assert len(listed(admin_client, f"{LEDGER}?q={charged.pk}")) == 3
    assert listed(admin_client, f"{LEDGER}?q=nothing") == []


# --- prices and limits ---------------------------------------------------------------------------


def make_csv(text: str) -> dict[str, object]:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return {"file": SimpleUploadedFile("prices.csv", text.encode())}


def test_price_table_goes_out_and_in_as_csv(admin_client: Client, admin: Member) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    exported = admin_client.post("/admin/generations/price/export/")
    text = text_of(exported)
    assert text.startswith("\ufeffengine,model,option,amount,valid_from\nkling,*,,0.12,")
    more = f"{text}kling,kling-v1,,0.05,2030-01-01 00:00\n"
    response = admin_client.post("/admin/generations/price/import/", make_csv(more), follow=True)
    assert "1 price added." in response.content.decode()
    assert Price.objects.count() == 2
    actions = AuditEntry.objects.filter(by=admin).values_list("action", flat=True)
    assert {AuditAction.EXPORTED, AuditAction.PRICE_SET} <= set(actions)


def test_refused_price_table_names_the_lines_and_adds_nothing(admin_client: Client) -> None:
    lines = "engine,model,amount\nkling,*,0.12\nnobody,*,1\n"
    response = admin_client.post("/admin/generations/price/import/", make_csv(lines))
    assert response.status_code == 422
    assert "Line 3: There is no engine “nobody”." in response.content.decode()
    assert not Price.objects.exists()


def test_added_price_is_in_the_audit_log(admin_client: Client, admin: Member) -> None:
    data = {"engine": "kling", "model": "*", "amount_e4": "0.12", "valid_from": "2026-11-28T12:00"}
    assert admin_client.post("/admin/generations/price/add/", data).status_code == 302
    entry = AuditEntry.objects.get(action=AuditAction.PRICE_SET)
    assert (entry.by, entry.target_label) == (admin, "kling *")


# --- the HTML ------------------------------------------------------------------------------------


class Findings(HTMLParser):
    """Links without a name, and what a strict content security policy would refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._link: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "style" or "style" in values or any(name.startswith("on") for name in values):
            self.faults.append(f"inline: {tag} {values}")
        if tag == "script" and "src" not in values:
            self.faults.append("inline script")
        if any("/static/admin/" in (value or "") for value in values.values()):
            self.faults.append(f"of Django: {values}")
        if tag == "img":
            if not values.get("alt") or "width" not in values or "height" not in values:
                self.faults.append(f"image: {values}")
            if self._link is not None:
                self._link.append(values.get("alt") or "")
        if tag == "a":
            self._link = []

    def handle_data(self, data: str) -> None:
        if self._link is not None:
            self._link.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._link is not None:
            if not "".join(self._link).strip():
                self.faults.append("link without a name")
            self._link = None


def test_pages_have_no_empty_link_no_inline_code_and_nothing_of_djangos_look(
    admin_client: Client, owner: Member, charged: Generation
) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    price = Price.objects.get().pk
    picture = Picture.objects.all()[0].pk
    rows = "/admin/generations"
    for url in (
        GENERATIONS,
        f"{GENERATIONS}{charged.pk}/change/",
        PICTURES,
        f"{PICTURES}{picture}/change/",
        LEDGER,
        f"{rows}/price/",
        f"{rows}/price/add/",
        f"{rows}/price/import/",
        f"{rows}/price/{price}/change/",
        f"{rows}/price/{price}/history/",
        "/admin/django_q/schedule/",
    ):
        page = admin_client.get(url)
        findings = Findings()
        findings.feed(page.content.decode())
        assert page.status_code == 200
        assert findings.faults == [], url


def test_thumbnails_say_what_they_show(admin_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    page = admin_client.get(GENERATIONS).content.decode()
    for number in (1, 2):
        assert f'alt="Image {number} of generation {row.pk}" width="44" height="44"' in page


@pytest.mark.parametrize(
    ("url", "target"),
    [("/admin/generations/", "/admin/"), ("/admin/django_q/", "/admin/diagnostics/")],
)
def test_pages_of_applications_lead_to_ours(admin_client: Client, url: str, target: str) -> None:
    response = admin_client.get(url)
    assert (response.status_code, response["Location"]) == (302, target)


def test_missing_page_of_the_admin_keeps_its_frame(
    admin_client: Client, owner_client: Client
) -> None:
    page = admin_client.get("/admin/nowhere/")
    assert page.status_code == 404
    assert 'class="side-list"' in page.content.decode()
    assert 'class="side-list"' not in admin_client.get("/nowhere/").content.decode()
    assert 'class="side-list"' not in owner_client.get("/admin/").content.decode()

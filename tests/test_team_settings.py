"""Settings that a team changes in the browser: what applies, the page, and the house rules."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Picture,
    Setting,
    Status,
    Submission,
    Team,
    house_rules,
    team_settings,
)
from generations.models.money import Price
from generations.models.team_settings import REGISTRY, Change, SettingConflict
from generations.requests import GenerationRequest, InvalidRequest, NotPossible, create, send_again
from generations.setup.team import TeamSetup
from generations.setup.team import change as change_team
from generations.worker import dispatch
from tests.builders import make_admin, make_generation, make_member, make_submission
from tests.conftest import client_for
from tests.forms import HTMX, form_data
from tests.simulator import Simulator
from tests.worker_driver import run_worker

pytestmark = pytest.mark.django_db

URL = "/admin/settings/"


@pytest.fixture(autouse=True)
def _read_the_table() -> Iterator[None]:
    team_settings.forget()
    yield
    team_settings.forget()


def put(by: Member | None = None, **values: Any) -> None:
    """Change settings as the page does."""
    by = by or make_admin()
    stored = team_settings.stored_values()
    changes = [Change(name, REGISTRY[name].value_in(stored), values[name]) for name in values]
    team_settings.change(changes, by)


def section_data(client: Client, section: str, **typed: str) -> dict[str, str]:
    """What the browser sends for a section, with some fields changed."""
    page = client.get(URL)
    fields = next(fields for each, fields in page.context["sections"] if each.slug == section)
    data: dict[str, str] = {}
    for field in fields:
        if not field.is_read_only:
            data |= {field.name: field.text, f"seen-{field.name}": field.seen}
    return data | typed


# --- what applies --------------------------------------------------------------------------------


def test_stored_value_replaces_the_default(admin: Member, settings: Settings) -> None:
    settings.PROMPT_CHARACTERS = 300
    assert team_settings.current().prompt_characters == 300
    put(admin, prompt_characters=700)
    assert team_settings.current().prompt_characters == 700


def test_environment_wins_over_a_stored_value(admin: Member, settings: Settings) -> None:
    put(admin, prompt_characters=700)
    settings.PROMPT_CHARACTERS = 300
    settings.VARIABLES_SET = frozenset({"KLINGWEB_PROMPT_CHARACTERS"})
    assert team_settings.current().prompt_characters == 300
    with pytest.raises(ValueError, match="KLINGWEB_PROMPT_CHARACTERS"):
        put(admin, prompt_characters=800)


def test_environment_wins_over_the_rule_of_the_team(settings: Settings) -> None:
    Team(unpriced="free").save()
    settings.UNPRICED = "refuse"
    assert Price.objects.table("kling").unpriced_rule == "free"
    settings.VARIABLES_SET = frozenset({"KLINGWEB_UNPRICED"})
    assert Price.objects.table("kling").unpriced_rule == "refuse"


def test_change_by_another_process_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert team_settings.current().trash_days == 30
    Setting.objects.create(name="trash_days", value=7)
    assert team_settings.current().trash_days == 30  # not read again yet
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + team_settings.REFRESH_SECONDS + 0.1)
    assert team_settings.current().trash_days == 7


def test_reading_costs_one_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        for _ in range(5):
            assert team_settings.current().late_factor


def test_value_of_the_default_is_not_stored(admin: Member, settings: Settings) -> None:
    put(admin, late_factor=5)
    put(admin, late_factor=3)
    assert not Setting.objects.exists()
    settings.LATE_FACTOR = 4
    assert team_settings.current().late_factor == 4


def test_change_is_recorded(admin: Member) -> None:
    put(admin, watch_seconds=3600, currency="EUR")
    entries = {entry.target_id: entry for entry in AuditEntry.objects.all()}
    assert entries.keys() == {"watch_seconds", "currency"}
    entry = entries["watch_seconds"]
    assert (entry.action, entry.by, entry.target_type) == (
        AuditAction.SETTING_CHANGED, admin, "setting",
    )  # fmt: skip
    assert (entry.before, entry.after) == ({"value": 86400}, {"value": 3600})
    assert (entries["currency"].before, Team.objects.get().currency) == ({"value": "USD"}, "EUR")


def test_what_an_owner_enters_on_the_page_of_the_team_is_recorded(owner: Member) -> None:
    change_team(TeamSetup("Atelier", "UTC", "EUR", month_money_e4=None), owner)
    changed = {entry.target_id: entry.after["value"] for entry in AuditEntry.objects.all()}
    assert changed == {"team_name": "Atelier", "currency": "EUR"}


def test_equal_value_changes_nothing(admin: Member) -> None:
    put(admin, refused_words=[], late_factor=3.0)
    assert not Setting.objects.exists()
    assert not AuditEntry.objects.exists()


def test_change_of_another_admin_is_not_overwritten(admin: Member) -> None:
    put(trash_days=10)
    with pytest.raises(SettingConflict) as conflict:
        team_settings.change([Change("trash_days", 30, 20)], admin)
    assert conflict.value.value == 10
    assert Setting.objects.get().value == 10


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("prompt_characters", "0"),
        ("prompt_characters", "1.5"),
        ("prompt_characters", "100001"),
        ("prompt_characters", "²"),
        ("late_factor", "nan"),
        ("late_factor", "0.5"),
        ("late_factor", ""),
        ("upstream_profile", "basic"),
        ("currency", " "),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", "../etc/passwd"),
        ("prompt_prefix", "x" * 401),
        ("prompt_prefix", "a\0b"),
        ("refused_words", "—"),
        ("refused_words", "x" * 81),
        ("refused_words", "\n".join(map(str, range(501)))),
    ],
)
def test_invalid_value_is_refused(name: str, text: str) -> None:
    with pytest.raises(ValidationError):
        REGISTRY[name].parse(text)


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_default_is_valid_and_survives_the_form(name: str) -> None:
    definition = REGISTRY[name]
    text = definition.format(definition.default)
    assert definition.format(definition.parse(text)) == text


# --- what settings do ----------------------------------------------------------------------------


def test_trash_is_restorable_for_so_many_days(owner: Member, owner_client: Client) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner)
    row.pictures.update(trashed_at=timezone.now() - timedelta(days=10))
    assert Picture.objects.in_trash(owner).count() == 1
    put(trash_days=7)
    assert not Picture.objects.in_trash(owner).exists()
    assert "7 days" in owner_client.get("/trash/").content.decode()


def test_session_ends_and_its_cookie_follows(owner: Member, admin: Member) -> None:
    from generations.web.middleware import session_limits

    put(admin, session_days=30)
    client = client_for(owner)
    session_limits.forget_checks()
    response = client.get("/gallery/")
    assert response.cookies["sessionid"]["max-age"] == 30 * 24 * 3600
    session_limits.forget_checks()
    assert "sessionid" not in client.get("/gallery/").cookies  # nothing to write any more


def test_profile_of_a_request_is_that_of_its_submit(owner: Member) -> None:
    put(upstream_profile="extended")
    row = create(owner, GenerationRequest("A pear", "3:2", params={"resolution": "2k"}), "key")
    [claimed] = dispatch.claim_next(1)
    assert (claimed.generation, claimed.request.profile) == (row, "extended")


def test_texts_are_shown_and_escaped(client: Client) -> None:
    put(sign_in_text="Ask <b>Lan</b>\nfor access", studio_text="No client names")
    assert (
        "Ask &lt;b&gt;Lan&lt;/b&gt;<br>for access"
        in client.get("/accounts/login/").content.decode()
    )
    page = client_for(make_member()).get("/").content.decode()
    assert "No client names" in page
    assert "Ask " not in page


# --- house rules: added texts --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "suffix", "sent"),
    [
        ("", "", "A pear"),
        ("Studio photo of", "", "Studio photo of A pear"),
        ("", ", soft light", "A pear, soft light"),
        ("", "soft light", "A pear soft light"),
        ("One", "two", "One A pear two"),
    ],
)
def test_texts_are_added(prefix: str, suffix: str, sent: str) -> None:
    assert house_rules.add_texts("A pear", prefix, suffix) == sent


def test_added_texts_are_sent_and_the_prompt_stays(
    upstream: Simulator, owner: Member, owner_client: Client
) -> None:
    put(prompt_prefix="Photo of", prompt_suffix=", daylight")
    owner_client.post("/", form_data(prompt="A pear"))
    row = Generation.objects.get()
    put(prompt_prefix="Drawing of")  # too late for this one
    run_worker()
    assert [each["prompt"] for each in upstream.requests("submit")] == ["Photo of A pear, daylight"]
    row.refresh_from_db()
    assert (row.status, row.prompt, row.search_text) == (Status.SUCCEEDED, "A pear", "a pear")
    assert (
        "Photo of A pear, daylight" in owner_client.get(f"/generations/{row.pk}/").content.decode()
    )


def test_request_sent_again_sends_the_same_text(upstream: Simulator, owner: Member) -> None:
    put(prompt_suffix=", daylight")
    create(owner, GenerationRequest("A pear, simulate: cut-before-accept", "3:2"), "key")
    run_worker()
    row = Generation.objects.get()
    assert row.status == Status.UNCONFIRMED
    put(prompt_suffix="")
    send_again(row, owner, row.version)
    run_worker()
    first, second = upstream.requests("submit")
    assert first["prompt"] == second["prompt"] == "A pear, simulate: cut-before-accept, daylight"


def test_reused_settings_do_not_double_the_texts(owner: Member, owner_client: Client) -> None:
    put(prompt_prefix="Photo of")
    row = create(owner, GenerationRequest("A pear", "3:2"), "key")
    assert owner_client.get(f"/?remix={row.pk}").context["form"]["prompt"].value() == "A pear"
    owner_client.post("/", form_data(prompt="A pear", remix_of=row.pk))
    assert Generation.objects.latest("pk").sent_prompt == "Photo of A pear"


def test_length_counts_what_the_team_adds(owner: Member, owner_client: Client) -> None:
    put(prompt_prefix="Photo of")  # 9 characters with the space
    assert 'data-added="9"' in owner_client.get("/").content.decode()
    create(owner, GenerationRequest("x" * 491, "3:2"), "fits")
    with pytest.raises(InvalidRequest) as refusal:
        create(owner, GenerationRequest("x" * 492, "3:2"), "does not fit")
    assert refusal.value.errors == {"prompt": "Too long: 501 of 500 characters."}


def test_same_key_gives_the_same_row_after_a_change_of_the_rules(owner: Member) -> None:
    request = GenerationRequest("A pear", "3:2")
    row = create(owner, request, "key")
    put(prompt_prefix="Photo of")
    assert create(owner, request, "key") == row


def test_private_prompt_with_texts_is_masked_in_the_admin(
    owner: Member, admin_client: Client
) -> None:
    put(prompt_prefix="Photo of")
    row = create(owner, GenerationRequest("A secret pear", "3:2", is_private=True), "key")
    for url in (
        f"/admin/generations/generation/{row.pk}/change/",
        "/admin/generations/generation/",
    ):
        page = admin_client.get(url)
        assert page.status_code == 200
        assert "secret pear" not in page.content.decode()


# --- house rules: refused words ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "found"),
    [
        ("A CAFÉ at night", "cafe"),
        ("A cafeteria", ""),
        ("cafe", "cafe"),
        ("a café, please", "cafe"),
        ("a blood  moon", "Blood moon"),
        ("blood on the moon", ""),
        ("một con mèo", "mèo"),
        ("mot con meo", "mèo"),
        ("画一只猫咪", "猫"),
        ("a pear", ""),
        ("", ""),
    ],
)
def test_refused_word_is_found(prompt: str, found: str) -> None:
    assert house_rules.refused_word(prompt, ["cafe", "Blood moon", "mèo", "猫"]) == found


def test_request_with_a_refused_word_is_not_created(owner: Member, owner_client: Client) -> None:
    put(refused_words=["Acme"])
    response = owner_client.post("/", form_data(prompt="A pear by ACME"), headers=HTMX)
    assert response.status_code == 422
    page = response.content.decode()
    assert "Your team does not use “Acme” in prompts. Nothing was sent or charged." in page
    assert 'id="prompt-error"' in page
    assert not Generation.objects.exists()


def test_negative_prompt_may_name_a_refused_word(owner: Member) -> None:
    put(refused_words=["text"])
    assert create(owner, GenerationRequest("A pear", "3:2", negative_prompt="text"), "key")


def test_variation_with_a_refused_word_is_not_created(owner: Member, owner_client: Client) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, prompt="A pear by Acme")
    put(refused_words=["acme"])
    fields = dict(owner_client.get(f"/generations/{row.pk}/variations/").context["fields"])
    response = owner_client.post("/", fields | {"n": "2", "aspect_ratio": "1:1"})
    assert response.status_code == 422
    assert Generation.objects.count() == 1


def test_request_with_a_refused_word_is_not_sent_again(owner: Member) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, prompt="Acme", attempt=1)
    make_submission(row, outcome=Submission.Outcome.UNANSWERED)
    put(refused_words=["acme"])
    with pytest.raises(NotPossible, match="“acme”"):
        send_again(row, owner, row.version)
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- the page ------------------------------------------------------------------------------------


def test_section_is_saved(admin_client: Client, admin: Member) -> None:
    data = section_data(admin_client, "house-rules", refused_words="Acme\r\nGlobex")
    response = admin_client.post(URL, data)
    assert response["Location"] == URL
    assert team_settings.current().refused_words == ["Acme", "Globex"]
    page = admin_client.get(URL).content.decode()
    assert admin.username in page
    assert '<span dir="auto">–</span> → <span dir="auto">Acme, Globex</span>' in page


def test_section_with_an_error_keeps_what_was_typed(admin_client: Client) -> None:
    data = section_data(admin_client, "gateway", late_factor="fast", watch_seconds="7200")
    response = admin_client.post(URL, data)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'id="late_factor-error">Enter a number from 1 to 1,000.' in page
    assert 'value="fast"' in page
    assert 'value="7200"' in page
    assert not Setting.objects.exists()


def test_stale_page_does_not_overwrite(admin_client: Client) -> None:
    data = section_data(admin_client, "trash", trash_days="20")
    put(trash_days=10)
    response = admin_client.post(URL, data)
    assert response.status_code == 422
    assert "Somebody else has changed this to “10”" in response.content.decode()
    assert team_settings.current().trash_days == 10


def test_stale_page_saves_what_nobody_else_changed(admin_client: Client) -> None:
    data = section_data(admin_client, "gateway", late_factor="5")
    put(late_factor=5)
    assert admin_client.post(URL, data).status_code == 303


def test_added_texts_leave_room_for_a_prompt(admin_client: Client) -> None:
    put(prompt_characters=50)
    data = section_data(admin_client, "house-rules", prompt_prefix="x" * 30, prompt_suffix="y" * 30)
    response = admin_client.post(URL, data)
    assert response.status_code == 422
    assert "share 50 characters" in response.content.decode()


def test_length_leaves_room_for_the_added_texts(admin_client: Client) -> None:
    put(prompt_prefix="x" * 60)
    data = section_data(admin_client, "prompts", prompt_characters="60")
    assert admin_client.post(URL, data).status_code == 422


def test_value_of_the_environment_is_shown_and_cannot_be_changed(
    admin_client: Client, settings: Settings
) -> None:
    settings.VARIABLES_SET = frozenset({"KLINGWEB_LATE_FACTOR"})
    settings.LATE_FACTOR = 7
    page = admin_client.get(URL).content.decode()
    assert "Set by KLINGWEB_LATE_FACTOR in the environment." in page
    assert 'name="late_factor"' not in page
    data = {"late_factor": "9", "seen-late_factor": "7"}
    assert admin_client.post(URL, data).status_code == 303
    assert not Setting.objects.exists()


def test_admin_sees_the_team_and_only_an_owner_changes_it(
    admin_client: Client, admin: Member
) -> None:
    data = {"currency": "EUR", "seen-currency": "USD"}
    assert "Only an owner changes this." in admin_client.get(URL).content.decode()
    admin_client.post(URL, data)
    assert Team.objects.current().currency == "USD"
    admin.role = "owner"
    admin.save()
    admin_client.post(URL, data | section_data(admin_client, "team", team_name="Atelier"))
    admin_client.post(URL, data)
    assert (Team.objects.get().name, Team.objects.get().currency) == ("Atelier", "EUR")


def page_data(client: Client, **typed: str) -> dict[str, str]:
    """What the browser sends for the whole page, with some fields changed."""
    slugs = [section.slug for section, _fields in client.get(URL).context["sections"]]
    data: dict[str, str] = {}
    for slug in slugs:
        data |= section_data(client, slug)
    return data | typed


def test_sections_are_saved_together_and_untouched_fields_stay(admin_client: Client) -> None:
    data = page_data(admin_client, late_factor="5", trash_days="12")
    put(session_days=3)
    assert admin_client.post(URL, data).status_code == 303
    now = team_settings.current()
    assert (now.late_factor, now.trash_days, now.session_days) == (5, 12, 3)


def test_error_in_a_section_saves_nothing_and_keeps_the_others(admin_client: Client) -> None:
    data = page_data(admin_client, late_factor="fast", studio_text="Welcome")
    response = admin_client.post(URL, data)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="fast"' in page
    assert "\nWelcome</textarea>" in page
    assert not Setting.objects.exists()


def test_testing_a_prompt_uses_the_typed_rules_and_keeps_them(admin_client: Client) -> None:
    data = page_data(admin_client, refused_words="Acme", trash_days="12", test="A pear by acme")
    page = admin_client.post(f"{URL}test", data).content.decode()
    assert "Would be refused: contains “Acme”." in page
    assert "\nAcme</textarea>" in page
    assert 'value="12"' in page
    assert not Setting.objects.exists()


def test_prompt_is_tested_without_being_sent(admin_client: Client) -> None:
    put(refused_words=["Acme"], prompt_prefix="Photo of")
    page = admin_client.post(f"{URL}test", {"test": "a pear by acme"}).content.decode()
    assert "Would be refused: contains “Acme”." in page
    page = admin_client.post(f"{URL}test", {"test": "a pear"}).content.decode()
    assert "Would be sent as: “Photo of a pear”" in page
    assert not Generation.objects.exists()

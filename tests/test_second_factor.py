"""Second factor: set up, used to sign in, removed; and what happens without it."""

import re
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings

from generations import encryption
from generations.models import Member
from generations.operations import key_rotation
from generations.setup import api_key
from klingweb import data_folder
from tests import commands
from tests.builders import PASSWORD, make_member
from tests.conftest import client_for
from tests.installation import wait_until
from tests.one_time_codes import add_app, add_recovery_codes, code_of, credentials, wrong_codes
from tests.test_api_keys import Interrupted, interrupt
from tests.test_ledger_locks import is_one_waiting

pytestmark = pytest.mark.django_db

FOLDER = "/settings/second-factor/"
CODE_PAGE = "/accounts/second-factor/"


def confirm(client: Client, url: str) -> Any:
    """Open a page that asks for the password first; return the response behind it."""
    asked = client.get(url)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/settings/confirm/?next=")
    confirmed = client.post(asked["Location"], {"password": PASSWORD})
    assert (confirmed.status_code, confirmed["Location"]) == (302, url)
    return client.get(url)


def sign_in(member: Member) -> tuple[Client, Any]:
    client = Client()
    return client, client.post("/accounts/login/", credentials(member, PASSWORD))


# --- set up ----------------------------------------------------------------------------------


def test_app_is_set_up_and_recovery_codes_are_shown(owner_client: Client, owner: Member) -> None:
    page = confirm(owner_client, f"{FOLDER}app/").content.decode()
    assert 'src="data:image/svg+xml;base64,' in page
    secret = re.search(r'<code class="key">(\w+)</code>', page)
    assert secret
    response = owner_client.post(f"{FOLDER}app/", {"code": code_of(secret[1])})
    assert (response.status_code, response["Location"]) == (303, f"{FOLDER}codes/")
    page = owner_client.get(f"{FOLDER}codes/").content.decode()
    assert "Second factor set up." in page
    codes = re.findall(r"<li><code>(\d{8})</code></li>", page)
    assert len(codes) == 10
    download = owner_client.get(f"{FOLDER}codes/download")
    assert download.content.decode().split() == codes
    assert "attachment" in download["Content-Disposition"]
    assert "10 codes left." in owner_client.get(FOLDER).content.decode()
    assert "On." in owner_client.get("/settings/").content.decode()


def test_wrong_code_sets_up_nothing_and_keeps_the_key(owner_client: Client, owner: Member) -> None:
    page = confirm(owner_client, f"{FOLDER}app/").content.decode()
    secret = re.findall(r'<code class="key">(\w+)</code>', page)[0]
    response = owner_client.post(f"{FOLDER}app/", {"code": next(wrong_codes(secret))})
    page = response.content.decode()
    assert response.status_code == 422
    assert "This code is wrong or expired. Enter the current one." in page
    assert secret in page
    assert not Authenticator.objects.exists()


@pytest.mark.parametrize("code", ["", "x" * 5000, "１２３４５６", "12\x003456"])
def test_unusual_codes_are_refused(owner_client: Client, code: str) -> None:
    confirm(owner_client, f"{FOLDER}app/")
    assert owner_client.post(f"{FOLDER}app/", {"code": code}).status_code == 422


@pytest.mark.parametrize(
    "page", ["app/", "app/remove/", "codes/", "codes/new/", "codes/download", "passkeys/add/"]
)
def test_every_change_asks_for_the_password(owner: Member, page: str) -> None:
    add_app(owner)
    add_recovery_codes(owner)
    client = client_for(owner)
    asked = client.get(f"{FOLDER}{page}")
    assert asked["Location"].startswith("/settings/confirm/?next=")
    assert client.post(f"{FOLDER}{page}").status_code == (405 if page == "codes/" else 302)
    assert Authenticator.objects.count() == 2


def test_wrong_password_confirms_nothing(owner_client: Client, owner: Member) -> None:
    url = owner_client.get(f"{FOLDER}app/")["Location"]
    response = owner_client.post(url, {"password": "wrong"})
    assert response.status_code == 422
    assert "This is not your password." in response.content.decode()
    assert owner_client.get(f"{FOLDER}app/").status_code == 302


def test_app_is_removed_with_the_recovery_codes(owner: Member) -> None:
    add_app(owner)
    add_recovery_codes(owner)
    client = client_for(owner)
    assert "Remove app" in confirm(client, f"{FOLDER}app/remove/").content.decode()
    assert client.post(f"{FOLDER}app/remove/")["Location"] == FOLDER
    assert not Authenticator.objects.exists()
    assert "App removed." in client.get(FOLDER).content.decode()
    assert sign_in(owner)[1]["Location"] == "/"


def test_new_recovery_codes_replace_the_old_ones(owner: Member) -> None:
    secret = add_app(owner)
    old = add_recovery_codes(owner)
    client = client_for(owner)
    confirm(client, f"{FOLDER}codes/new/")
    client.post(f"{FOLDER}codes/new/")
    page = client.get(f"{FOLDER}codes/").content.decode()
    assert not any(code in page for code in old)
    client, _response = sign_in(owner)
    assert client.post(CODE_PAGE, {"code": old[0]}).status_code == 422
    assert client.post(CODE_PAGE, {"code": code_of(secret)}).status_code == 302


def test_no_codes_without_a_factor(owner_client: Client) -> None:
    confirm(owner_client, f"{FOLDER}codes/new/")
    assert owner_client.post(f"{FOLDER}codes/new/").status_code == 422
    assert owner_client.get(f"{FOLDER}codes/").status_code == 404


# --- sign in ---------------------------------------------------------------------------------


def test_code_is_asked_after_the_password(owner: Member) -> None:
    secret = add_app(owner)
    client, response = sign_in(owner)
    assert response["Location"] == CODE_PAGE
    assert client.get("/").status_code == 302  # not signed in yet
    assert "Code of the app, or recovery code" in client.get(CODE_PAGE).content.decode()
    assert client.post(CODE_PAGE, {"code": code_of(secret)})["Location"] == "/"
    assert client.get("/").status_code == 200


def test_sign_in_with_a_code_returns_to_the_requested_page(owner: Member) -> None:
    secret = add_app(owner)
    client = Client()
    client.post("/accounts/login/", credentials(owner, PASSWORD) | {"next": "/gallery/"})
    assert client.post(CODE_PAGE, {"code": code_of(secret)})["Location"] == "/gallery/"


def test_each_code_works_once(owner: Member) -> None:
    secret = add_app(owner)
    [recovery, *_others] = add_recovery_codes(owner)
    for code in (code_of(secret), recovery):
        statuses = [sign_in(owner)[0].post(CODE_PAGE, {"code": code}).status_code for _ in range(2)]
        assert statuses == [302, 422]


def test_wrong_codes_are_limited_over_all_tries(owner: Member) -> None:
    secret = add_app(owner)
    for code, _try in zip(wrong_codes(secret), range(5), strict=False):
        client, _response = sign_in(owner)
        assert client.post(CODE_PAGE, {"code": code}).status_code == 422
    client, _response = sign_in(owner)
    refused = client.post(CODE_PAGE, {"code": code_of(secret)})
    assert refused.status_code == 422
    assert "Too many wrong codes. Try again in 5 minutes." in refused.content.decode()
    assert client.get("/").status_code == 302


def test_code_page_needs_the_password_first(client: Client, owner: Member) -> None:
    secret = add_app(owner)
    for response in (client.get(CODE_PAGE), client.post(CODE_PAGE, {"code": code_of(secret)})):
        assert response["Location"] == "/accounts/login/"
    client.post("/accounts/login/", credentials(owner, "wrong"))
    assert client.get(CODE_PAGE)["Location"] == "/accounts/login/"


def test_sign_in_page_begins_anew(owner: Member) -> None:
    add_app(owner)
    client, _response = sign_in(owner)
    assert client.get("/accounts/login/").status_code == 200


def test_disabled_between_password_and_code(owner: Member) -> None:
    secret = add_app(owner)
    client, _response = sign_in(owner)
    Member.objects.filter(pk=owner.pk).update(is_active=False)
    client.post(CODE_PAGE, {"code": code_of(secret)})
    assert client.get("/").status_code == 302


# --- encrypted -------------------------------------------------------------------------------


@pytest.fixture
def own_data_folder(settings: Settings, tmp_path: Path) -> Settings:
    settings.DATA_DIR = tmp_path
    return settings


def stored_texts() -> list[str]:
    rows = Authenticator.objects.order_by("type")
    return [row.data.get("secret") or row.data["seed"] for row in rows]


def test_secrets_are_encrypted_and_rotated_with_the_keys(
    owner: Member, own_data_folder: Settings
) -> None:
    secret, codes = add_app(owner), add_recovery_codes(owner)
    before, old_keys = stored_texts(), encryption.keys()
    assert secret not in str(before)
    assert all(encryption.is_token(text) for text in before)
    assert "2 second factors were, too." in commands.run("keys", "rotate").stdout
    assert not set(before) & set(stored_texts())
    assert encryption.keys() != old_keys
    assert len(encryption.keys()) == len(old_keys)
    for code in (code_of(secret), codes[0]):
        client, _response = sign_in(owner)
        assert client.post(CODE_PAGE, {"code": code})["Location"] == "/"


@pytest.mark.parametrize("step", range(4))
def test_rotation_may_be_interrupted_before_each_step(
    owner: Member, own_data_folder: Settings, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Its steps: the new encryption key, two rows, the old one goes."""
    add_app(owner)
    add_recovery_codes(owner)
    secrets = [encryption.decrypt(text) for text in stored_texts()]
    with monkeypatch.context() as patched, pytest.raises(Interrupted):
        interrupt(patched, step, Authenticator)
        key_rotation.rotate()
    assert [encryption.decrypt(text) for text in stored_texts()] == secrets
    key_rotation.rotate()
    assert [encryption.decrypt(text) for text in stored_texts()] == secrets
    assert len(encryption.keys()) == 1


def test_secrets_of_an_earlier_release_work_and_are_encrypted_by_the_rotation(
    owner: Member, own_data_folder: Settings
) -> None:
    secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    row = Authenticator.objects.create(user=owner, type="totp", data={"secret": secret})
    client, _response = sign_in(owner)
    assert client.post(CODE_PAGE, {"code": code_of(secret)})["Location"] == "/"
    assert key_rotation.rotate().factors == 1
    row.refresh_from_db()
    assert encryption.decrypt(row.data["secret"]) == secret


@pytest.mark.django_db(transaction=True)
def test_code_that_is_used_during_a_rotation_stays_used(
    owner: Member, own_data_folder: Settings
) -> None:
    with transaction.atomic():
        codes = add_recovery_codes(owner)

    def rotate() -> None:
        try:
            key_rotation.rotate()
        finally:
            connection.close()

    other = Thread(target=rotate)
    row = Authenticator.objects.get(type="recovery_codes")
    with transaction.atomic():
        assert row.wrap().validate_code(codes[0])
        other.start()
        wait_until(is_one_waiting, what="the rotation waits")
    other.join()
    [text] = stored_texts()
    assert text != row.data["seed"]
    assert not Authenticator.objects.get().wrap().validate_code(codes[0])


def test_lost_encryption_key_lets_nobody_in_and_says_so(
    owner: Member, own_data_folder: Settings
) -> None:
    secret = add_app(owner)
    add_recovery_codes(owner)
    own_data_folder.ENCRYPTION_KEYS = [encryption.new_key()]
    client, _response = sign_in(owner)
    for code in (code_of(secret), code_of("")):
        refused = client.post(CODE_PAGE, {"code": code})
        assert refused.status_code == 422
        assert "cannot be read. Ask an admin to remove it." in refused.content.decode()
    assert client.get("/").status_code == 302
    client = client_for(owner)
    assert "0 codes left" in client.get(FOLDER).content.decode()
    for url in (f"{FOLDER}codes/", f"{FOLDER}codes/download"):
        response = confirm(client, url) if url.endswith("/") else client.get(url)
        assert response["Location"] == FOLDER
    done = key_rotation.rotate()
    assert done.unreadable == (f"TOTP Authenticator of {owner}", f"Recovery codes of {owner}")


def test_lost_encryption_key_is_put_back_after_a_second_factor_was_set_up(
    owner: Member, own_data_folder: Settings
) -> None:
    """With no API key stored: what is stored after the loss needs a file of its own."""
    secret = add_app(owner)
    path = data_folder.encryption_key_file(own_data_folder.DATA_DIR)
    right = path.read_text()
    path.unlink()
    assert "does not fit second factors" in api_key.prepare()
    other = make_member("other")
    other_secret = add_app(other)
    assert not path.exists()

    path.write_text(right)  # from a backup
    assert api_key.prepare() == ""
    for member, its_secret in ((owner, secret), (other, other_secret)):
        client, _response = sign_in(member)
        assert client.post(CODE_PAGE, {"code": code_of(its_secret)})["Location"] == "/"
    assert key_rotation.rotate().unreadable == ()
    assert len(encryption.keys()) == 1


def test_rotation_does_not_join_the_files_while_a_second_factor_cannot_be_read(
    owner: Member, own_data_folder: Settings
) -> None:
    add_app(owner)
    path = data_folder.encryption_key_file(own_data_folder.DATA_DIR)
    right = path.read_text()
    path.unlink()
    add_app(make_member("other"))
    key_rotation.rotate()
    assert not path.exists()
    path.write_text(right)
    assert key_rotation.rotate().unreadable == ()


def test_file_of_the_encryption_key_that_cannot_be_used_sets_up_nothing(
    owner_client: Client, owner: Member, own_data_folder: Settings
) -> None:
    data_folder.encryption_key_file(own_data_folder.DATA_DIR).write_text("damaged")
    page = confirm(owner_client, f"{FOLDER}app/").content.decode()
    secret = re.findall(r'<code class="key">(\w+)</code>', page)[0]
    response = owner_client.post(f"{FOLDER}app/", {"code": code_of(secret)}, follow=True)
    assert response.redirect_chain == [(FOLDER, 302)]
    assert "Could not save." in response.content.decode()
    assert not Authenticator.objects.exists()


BROKEN_CREDENTIALS = (
    "", "{}", "[]", "null", "x", '"a\\u0000"', '{"id": 1}', '{"id": "a", "rawId": "a"}',
    '{"id": "YQ", "rawId": "YQ", "type": "public-key", "response": {"clientDataJSON": "YQ", '
    '"attestationObject": "YQ", "authenticatorData": "YQ", "signature": "YQ"}}',
)  # fmt: skip


@pytest.mark.parametrize("credential", BROKEN_CREDENTIALS)
def test_broken_passkeys_are_refused(owner: Member, credential: str) -> None:
    add_app(owner)
    client, _response = sign_in(owner)
    assert client.post(CODE_PAGE, {"credential": credential}).status_code == 422
    client = client_for(owner)
    confirm(client, f"{FOLDER}passkeys/add/")
    data = {"credential": credential, "name": "Key"}
    assert client.post(f"{FOLDER}passkeys/add/", data).status_code == 422
    assert Authenticator.objects.count() == 1


# --- settings --------------------------------------------------------------------------------


def test_everything_is_off_without_the_setting(owner: Member, settings: Settings) -> None:
    settings.SECOND_FACTOR = False
    add_app(owner)
    client, response = sign_in(owner)
    assert response["Location"] == "/"
    assert "second-factor" not in client.get("/settings/").content.decode()
    for url in (FOLDER, f"{FOLDER}app/", CODE_PAGE, "/settings/confirm/code/"):
        assert client.get(url).status_code == 404


def test_no_passkeys_without_the_setting(owner_client: Client, settings: Settings) -> None:
    settings.PASSKEYS = False
    assert "passkeys/add/" not in owner_client.get(FOLDER).content.decode()
    assert owner_client.get(f"{FOLDER}passkeys/add/").status_code == 404


def test_members_without_a_password_are_sent_to_their_provider(
    owner: Member, settings: Settings
) -> None:
    settings.OIDC_NAME = "Example ID"
    owner.set_unusable_password()
    owner.save()
    client = client_for(owner)
    page = client.get(FOLDER).content.decode()
    assert "You sign in with Example ID. Set up a second factor there." in page
    assert client.get(f"{FOLDER}app/").status_code == 403
    assert "without a password" in client.get("/settings/").content.decode()


def test_plain_sign_in_does_not_load_the_code_of_passkeys(tmp_path: Any) -> None:
    from tests.test_environment import start

    script = (
        "import sys, django; django.setup()\n"
        "from django.urls import get_resolver; get_resolver().url_patterns\n"
        "from generations.web.account import stages\n"
        "sys.exit(bool({'fido2', 'cryptography', 'qrcode', 'jwt'} & sys.modules.keys()))"
    )
    start("-c", script, KLINGWEB_DATA_DIR=str(tmp_path)).check_returncode()

"""Comments on images: who reads, writes, changes and deletes them, and whom a mention reaches."""

import re

import pytest
from django.test import Client

from generations.models import (
    AuditAction,
    AuditEntry,
    Comment,
    Member,
    Notification,
    Picture,
    Status,
    bulk,
)
from generations.models.comment import mentioned_names
from generations.permissions import Role
from generations.web.comments.text import comment_html
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]


@pytest.fixture
def picture(owner: Member) -> Picture:
    row = make_generation(Status.SUCCEEDED, owner=owner)
    return Picture.objects.get(generation=row)


def write(client: Client, picture: Picture, text: str) -> None:
    response = client.post(f"/pictures/{picture.pk}/comments/", {"text": text})
    assert response.status_code == 302


def page_of(client: Client, picture: Picture) -> str:
    return client.get(f"/pictures/{picture.pk}/").content.decode()


def kinds(member: Member) -> list[str]:
    return list(Notification.objects.filter(member=member).values_list("kind", flat=True))


# --- reading and writing -------------------------------------------------------------------------


def test_everyone_who_sees_the_image_reads_and_all_but_viewers_write(
    picture: Picture, owner_client: Client, stranger_client: Client
) -> None:
    viewer = client_for(make_member("client", role=Role.VIEWER))
    address = f"/pictures/{picture.pk}/comments/"
    nothing_to_read = re.compile(r'<section id="comments"[^>]* hidden>')
    assert nothing_to_read.search(page_of(viewer, picture))
    assert not nothing_to_read.search(page_of(owner_client, picture))
    write(owner_client, picture, "Warmer, please")
    write(stranger_client, picture, "I like it")
    for client, writes in ((owner_client, True), (stranger_client, True), (viewer, False)):
        page = page_of(client, picture)
        assert "Warmer, please" in page
        assert "I like it" in page
        assert (f'action="{address}"' in page) is writes
    assert viewer.post(address, {"text": "Colder"}).status_code == 403
    assert Comment.objects.count() == 2


def test_viewer_takes_back_an_older_comment_and_does_not_change_it(
    picture: Picture, stranger: Member, stranger_client: Client
) -> None:
    write(stranger_client, picture, "I like it")
    Member.objects.filter(pk=stranger.pk).update(role=Role.VIEWER)
    comment = Comment.objects.get()
    edit = stranger_client.post(f"/comments/{comment.pk}/edit/", {"text": "I do not"})
    assert edit.status_code == 403
    assert stranger_client.post(f"/comments/{comment.pk}/delete").status_code == 302
    assert not Comment.objects.exists()


def test_private_image_hides_its_comments(
    picture: Picture, owner: Member, owner_client: Client, stranger_client: Client, admin: Member
) -> None:
    write(stranger_client, picture, "a secret remark")
    comment = Comment.objects.get()
    bulk.set_private([picture.pk], owner, is_private=True)
    for client in (stranger_client, client_for(admin)):
        for address in (
            f"/pictures/{picture.pk}/",
            f"/pictures/{picture.pk}/comments/",
            f"/pictures/{picture.pk}/comments/people?q=",
            f"/comments/{comment.pk}/edit/",
        ):
            assert client.get(address).status_code == 404, address
        for address in (f"/pictures/{picture.pk}/comments/", f"/comments/{comment.pk}/delete"):
            assert client.post(address, {"text": "x"}).status_code == 404, address
    assert "a secret remark" in page_of(owner_client, picture)


def test_image_in_the_trash_has_no_comments(picture: Picture, owner: Member) -> None:
    Picture.objects.filter(pk=picture.pk).trash(owner)
    assert client_for(owner).get(f"/pictures/{picture.pk}/comments/").status_code == 404


@pytest.mark.parametrize("text", ["", "  \n", "\u200b", "x" * 501])
def test_invalid_text_is_refused_and_kept(
    text: str, picture: Picture, stranger_client: Client
) -> None:
    response = stranger_client.post(f"/pictures/{picture.pk}/comments/", {"text": text})
    assert response.status_code == 422
    assert 'aria-invalid="true"' in response.content.decode()
    assert not Comment.objects.exists()


def test_scripts_get_the_section_only(picture: Picture, stranger_client: Client) -> None:
    response = stranger_client.post(
        f"/pictures/{picture.pk}/comments/", {"text": "Nice"}, headers={"HX-Request": "true"}
    )
    page = response.content.decode()
    assert "Nice" in page
    assert "<html" not in page


def test_unchanged_comments_are_not_sent_again(picture: Picture, stranger_client: Client) -> None:
    address = f"/pictures/{picture.pk}/comments/"
    stamp = stranger_client.get(address).context["section"].stamp
    headers = {"HX-Request": "true"}
    assert stranger_client.get(f"{address}?stamp={stamp}", headers=headers).status_code == 204
    write(stranger_client, picture, "New")
    assert stranger_client.get(f"{address}?stamp={stamp}", headers=headers).status_code == 200


def test_earlier_comments_are_on_another_page(
    picture: Picture, stranger: Member, stranger_client: Client
) -> None:
    for number in range(31):
        Comment.objects.create(picture=picture, author=stranger, text=f"remark {number}.")
    page = page_of(stranger_client, picture)
    assert "remark 0." not in page
    assert "remark 30." in page
    section = stranger_client.get(f"/pictures/{picture.pk}/").context["page"].comments
    earlier = stranger_client.get(f"/pictures/{picture.pk}/comments/?before={section.earlier}")
    assert "remark 0." in earlier.content.decode()
    first = Comment.objects.earliest("pk")
    assert "remark 0." in stranger_client.get(f"/comments/{first.pk}/edit/").content.decode()


# --- changing and deleting -----------------------------------------------------------------------


def test_authors_change_and_delete_their_own(
    picture: Picture, stranger: Member, stranger_client: Client
) -> None:
    comment = Comment.objects.write(picture, stranger, "Too dark")
    address = f"/comments/{comment.pk}/edit/"
    assert "Too dark</textarea>" in stranger_client.get(address).content.decode()
    assert stranger_client.post(address, {"text": ""}).status_code == 422
    stranger_client.post(address, {"text": "Too bright"})
    assert "Too bright" in page_of(stranger_client, picture)
    assert "edited" in page_of(stranger_client, picture)
    stranger_client.post(f"/comments/{comment.pk}/delete")
    assert not Comment.objects.exists()
    assert not AuditEntry.objects.filter(action=AuditAction.COMMENT_DELETED).exists()


def test_others_neither_change_nor_delete(
    picture: Picture, stranger: Member, owner_client: Client
) -> None:
    comment = Comment.objects.write(picture, stranger, "Too dark")
    assert owner_client.post(f"/comments/{comment.pk}/edit/", {"text": "x"}).status_code == 403
    assert owner_client.post(f"/comments/{comment.pk}/delete").status_code == 403
    page = page_of(owner_client, picture)
    assert f"/comments/{comment.pk}/" not in page


def test_admins_delete_with_an_entry_in_the_audit_log_and_change_nothing(
    picture: Picture, stranger: Member, admin: Member, admin_client: Client
) -> None:
    comment = Comment.objects.write(picture, stranger, "an insult")
    assert admin_client.post(f"/comments/{comment.pk}/edit/", {"text": "x"}).status_code == 403
    admin_client.post(f"/comments/{comment.pk}/delete")
    assert not Comment.objects.exists()
    entry = AuditEntry.objects.get(action=AuditAction.COMMENT_DELETED)
    assert (entry.by, entry.target_id) == (admin, str(stranger.pk))
    assert entry.after == {"image_ids": str(picture.pk)}
    log = admin_client.get("/admin/audit-log/").content.decode()
    assert f"deleted a comment of {stranger.name}" in log
    assert "an insult" not in log


# --- notifications and mentions ------------------------------------------------------------------


def test_owner_mentioned_people_and_earlier_commenters_are_notified(
    picture: Picture, owner: Member, stranger: Member, admin: Member
) -> None:
    third = make_member("third")
    Comment.objects.write(picture, third, "First")
    Comment.objects.write(picture, stranger, f"@{admin.username} what do you think?")
    assert kinds(owner) == ["commented"]
    assert kinds(third) == ["commented"]
    assert kinds(admin) == ["mentioned"]
    assert not kinds(stranger)


def test_comments_on_one_image_are_one_notification_and_mentions_stay(
    picture: Picture, owner: Member, owner_client: Client, stranger: Member
) -> None:
    for text in ("One", f"@{owner.username} two", "Three"):
        Comment.objects.write(picture, stranger, text)
    assert sorted(kinds(owner)) == ["commented", "mentioned"]
    page = owner_client.get("/notifications/").content.decode()
    assert "commented: “Three”" in page
    assert f"mentioned you: “@{owner.username} two”" in page
    owner_client.get(f"/pictures/{picture.pk}/")
    assert not Notification.objects.unread_of(owner).exists()


def test_deleted_comment_leaves_no_notification(
    picture: Picture, owner: Member, owner_client: Client, stranger: Member
) -> None:
    Comment.objects.write(picture, stranger, "a regret").remove(stranger)
    assert not kinds(owner)
    assert "a regret" not in owner_client.get("/notifications/").content.decode()


def test_mention_of_somebody_who_may_not_see_the_image_tells_them_nothing(
    owner: Member, owner_client: Client, stranger: Member, stranger_client: Client
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, is_private=True, prompt="A hidden pear")
    [pk] = picture_ids(row)
    write(owner_client, Picture.objects.get(pk=pk), f"@{stranger.username} look at this")
    assert not kinds(stranger)
    page = stranger_client.get("/notifications/").content.decode()
    assert "hidden pear" not in page
    assert 'class="unread-dot"' not in page
    bulk.set_private([pk], owner, is_private=False)
    assert kinds(stranger) == ["shared"]
    assert "shared an image with you" in stranger_client.get("/notifications/").content.decode()
    bulk.set_private([pk], owner, is_private=True)
    assert not kinds(stranger)


def test_disabled_people_are_not_mentioned(picture: Picture, stranger: Member) -> None:
    gone = make_member("gone", is_active=False)
    comment = Comment.objects.write(picture, stranger, "@gone hello")
    assert not comment.mentions.exists()
    assert not kinds(gone)


def test_only_people_who_are_mentioned_anew_by_an_edit_are_notified(
    picture: Picture, stranger: Member, admin: Member
) -> None:
    third = make_member("third")
    comment = Comment.objects.write(picture, stranger, f"@{admin.username}")
    comment.edit(f"@{admin.username} and @third")
    assert kinds(admin) == ["mentioned"]
    assert kinds(third) == ["mentioned"]


def test_completion_offers_people_who_may_see_the_image(
    picture: Picture, owner: Member, owner_client: Client, stranger_client: Client
) -> None:
    make_member("marc", first_name="Marc", last_name="Oduya")
    make_member("mad", is_active=False)
    address = f"/pictures/{picture.pk}/comments/people"
    marc = {"username": "marc", "name": "Marc Oduya"}
    assert stranger_client.get(f"{address}?q=ma").json() == {"people": [marc]}
    assert stranger_client.get(f"{address}?q=ODU").json() == {"people": [marc]}
    assert stranger_client.get(f"{address}?q=stranger").json() == {"people": []}, "not oneself"
    bulk.set_private([picture.pk], owner, is_private=True)
    assert owner_client.get(f"{address}?q=ma").json() == {"people": []}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("@lan look", ["lan"]),
        ("thanks @Lan.", ["lan.", "lan"]),
        ("(@lan, @marc)", ["lan", "marc"]),
        ("write to a@b.example", []),
        ("@", []),
        ("@lan@b.example", ["lan@b.example"]),
        ("@Đức hello", ["đức"]),
    ],
)
def test_names_in_a_text(text: str, names: list[str]) -> None:
    assert mentioned_names(text) == names


# --- the text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ('<b>no</b> & "x"', "&lt;b&gt;no&lt;/b&gt; &amp; &quot;x&quot;"),
        ("one\ntwo", "one<br>two"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("@lan. Or @marc", '<b class="mention">@lan</b>. Or @marc'),
    ],
)
def test_text_is_not_html(text: str, html: str) -> None:
    assert comment_html(text, {"lan"}) == html


def test_web_addresses_are_links_that_tell_the_site_nothing() -> None:
    html = comment_html('See (https://example.com/a_(b)?x=1&y="><script>).', ())
    assert 'href="https://example.com/a_(b)?x=1&amp;y="' in html
    assert 'rel="nofollow noopener noreferrer"' in html
    assert "<script>" not in html


def test_punctuation_after_an_address_is_not_part_of_it() -> None:
    assert 'href="https://example.com/@lan"' in comment_html(
        "https://example.com/@lan, ok", {"lan"}
    )
    assert 'href="https://example.com/x"' in comment_html("(https://example.com/x).", ())

"""The way back from an image: to the page that it was opened from, and to no other site."""

import re

import pytest
from django.test import Client

from generations.models import Collection, Member, Status
from tests.builders import make_generation, picture_ids
from tests.forms import HTMX

pytestmark = pytest.mark.usefixtures("media_root")
SITE = "http://testserver"


@pytest.fixture
def images(owner: Member) -> list[int]:
    return picture_ids(make_generation(Status.SUCCEEDED, owner=owner, n=3, prompt="A pear"))


def back_link(body: str) -> tuple[str, str]:
    """The URL and the name of the link back."""
    [(url, name)] = re.findall(
        r'class="quiet-button back" href="([^"]+)".*?<bdi>(.*?)</bdi>', body, re.DOTALL
    )
    return url.replace("&amp;", "&"), name


def opened_from(client: Client, url: str, referrer: str) -> str:
    return client.get(url, headers={"Referer": referrer}).content.decode()


@pytest.mark.parametrize(
    ("referrer", "url", "name"),
    [
        ("/", "/#generation-{row}", "Studio"),
        ("/?before=1763981234567890-12", "/?before=1763981234567890-12#generation-{row}", "Studio"),
        ("/generations/7/", "/generations/7/#generation-{row}", "Request"),
        ("/gallery/?q=pear&before=1-2", "/gallery/?q=pear&before=1-2#p{pk}", "Gallery"),
        ("/compare/?picture=1&picture=2", "/compare/?picture=1&picture=2#generation-{row}",
         "Compare"),
        ("/search/?q=pear", "/search/?q=pear#generation-{row}", "Search"),
        ("/notifications/", "/notifications/#generation-{row}", "Notifications"),
        ("/batches/7/?show=done", "/batches/7/?show=done#generation-{row}", "Batch"),
        ("/settings/", "/settings/#generation-{row}", "Back"),
        ("/no/such/page/", "/gallery/#p{pk}", "Gallery"),
        ("/accounts/login/?next=/x", "/gallery/#p{pk}", "Gallery"),
    ],
)  # fmt: skip
def test_back_leads_to_the_page_that_the_image_was_opened_from(
    owner_client: Client, owner: Member, images: list[int], referrer: str, url: str, name: str
) -> None:
    row = owner.generations.get()
    body = opened_from(owner_client, f"/pictures/{images[0]}/", SITE + referrer)
    assert back_link(body) == (url.format(row=row.pk, pk=images[0]), name)


@pytest.mark.parametrize(
    "elsewhere",
    ["https://example.com/", "//example.com/gallery/", "/\\example.com", "javascript:alert(1)",
     "http://testserver.example.com/", "https:example.com", "\t//example.com"],
)  # fmt: skip
def test_back_never_leads_to_another_site(
    owner_client: Client, images: list[int], elsewhere: str
) -> None:
    address = f"/pictures/{images[0]}/"
    expected = (f"/gallery/#p{images[0]}", "Gallery")
    assert back_link(opened_from(owner_client, address, elsewhere)) == expected
    body = owner_client.get(address, {"from": elsewhere}).content.decode()
    assert back_link(body) == expected
    assert not [
        href for href in re.findall(r'(?:href|action)="([^"]*)"', body) if "example" in href
    ]


def test_origin_survives_the_arrows_and_the_strip(owner_client: Client, images: list[int]) -> None:
    body = opened_from(owner_client, f"/pictures/{images[0]}/", f"{SITE}/")
    [following] = re.findall(r'href="([^"]+)" rel="next"', body)
    assert following == f"/pictures/{images[1]}/?from=%2F"
    assert f'href="/pictures/{images[2]}/?from=%2F"' in body
    body = opened_from(owner_client, following, f"{SITE}/pictures/{images[0]}/")
    assert back_link(body)[1] == "Studio"


def test_link_from_another_image_keeps_its_origin(owner_client: Client, images: list[int]) -> None:
    referrer = f"{SITE}/pictures/{images[0]}/?from=%2Fhistory%2F"
    body = opened_from(owner_client, f"/pictures/{images[1]}/", referrer)
    assert back_link(body)[1] == "Prompt history"


def test_collection_is_the_way_back_of_its_images(
    owner_client: Client, owner: Member, images: list[int]
) -> None:
    row = Collection.objects.create(name="Spring", created_by=owner)
    row.add(images, owner)
    address = f"/pictures/{images[0]}/?in={row.pk}"
    body = owner_client.get(address).content.decode()
    assert back_link(body) == (f"/collections/{row.pk}/#p{images[0]}", "Spring")
    body = opened_from(owner_client, address, f"{SITE}/collections/{row.pk}/?after=2-2")
    assert back_link(body) == (f"/collections/{row.pk}/?after=2-2#p{images[0]}", "Spring")


def test_lightbox_closes_to_its_grid(owner_client: Client, images: list[int]) -> None:
    headers = HTMX | {"Referer": f"{SITE}/"}
    body = owner_client.get(f"/pictures/{images[0]}/", headers=headers).content.decode()
    assert back_link(body)[1] == "Gallery"


def test_comparison_of_the_siblings_leads_back_to_the_image(
    owner_client: Client, owner: Member, images: list[int]
) -> None:
    body = owner_client.get(f"/pictures/{images[0]}/").content.decode()
    [address] = re.findall(r'href="(/compare/[^"]+)"', body)
    page = owner_client.get(address.replace("&amp;", "&")).content.decode()
    assert f'id="back" href="/pictures/{images[0]}/"' in page
    many = picture_ids(make_generation(Status.SUCCEEDED, owner=owner, n=5))
    assert "/compare/" not in owner_client.get(f"/pictures/{many[0]}/").content.decode()


def test_request_leads_back_to_where_it_was_opened(
    owner_client: Client, owner: Member, images: list[int]
) -> None:
    row = owner.generations.get()
    body = opened_from(owner_client, f"/generations/{row.pk}/", f"{SITE}/pictures/{images[0]}/")
    assert f'href="/pictures/{images[0]}/"' in body
    assert ">Image</bdi>" in body

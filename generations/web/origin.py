"""The page from which a member came, for the links that lead back to it.

An image opens from many pages. The browser names the page in the header Referer; links from one
image to another keep it as `?from=`, because there the header names an image.
"""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from django.urls import Resolver404, resolve
from django.utils.functional import Promise
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from generations.web.middleware.access import MemberRequest

PARAMETER = "from"
NAMES: dict[str, str | Promise] = {
    "studio": _("Studio"),
    "gallery": _("Gallery"),
    "collections": _("Collections"),
    "collection": _("Collection"),
    "generation": _("Request"),
    "compare": _("Compare"),
    "picture": _("Image"),
    "trash": _("Trash"),
    "history": _("Prompt history"),
    "search": _("Search"),
    "notifications": _("Notifications"),
    "batch": _("Batch"),
    "usage": _("Usage"),
    "overview": _("Overview"),
}
_IMAGE = "picture"
# Addresses that are no pages to return to.
_EXCLUDED = {"file", "reference", "account_login", "account_logout"}


@dataclass(frozen=True)
class Origin:
    """`url` is a path of this site with its query; `name` is for the link."""

    url: str
    name: str

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def origin_of(request: MemberRequest, default: Origin) -> Origin:
    """Return the page of `?from=`, else the one of the header, else the default.

    Only pages of this site count. A request of a script is not a visit: its header is ignored.
    """
    url = request.GET.get(PARAMETER, "") or ("" if request.htmx else _referrer(request))
    return _page_at(url, request, default) or default


def _referrer(request: MemberRequest) -> str:
    """Return the path and query of the header; of an image the page from which it was opened."""
    url = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(url, {request.get_host()}):
        return ""
    parts = urlsplit(url)
    if _name_of(parts.path) == _IMAGE and _is_image(request):
        return parse_qs(parts.query).get(PARAMETER, [""])[0]
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _page_at(url: str, request: MemberRequest, default: Origin) -> Origin | None:
    # Without a host: a path, and not one such as //example.com or /\example.com.
    if not url.startswith("/") or not url_has_allowed_host_and_scheme(url, None):
        return None
    parts = urlsplit(url)
    name = _name_of(parts.path)
    if not name or name in _EXCLUDED or parts.path == request.path:
        return None
    if name == _IMAGE and _is_image(request):
        return None
    url = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if parts.path == default.path:
        return Origin(url, default.name)
    return Origin(url, str(NAMES.get(name, _("Back"))))


def _is_image(request: MemberRequest) -> bool:
    return _name_of(request.path) == _IMAGE


def _name_of(path: str) -> str:
    try:
        return resolve(path).url_name or ""
    except Resolver404:
        return ""

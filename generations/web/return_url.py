"""Where a form without a script leads back to."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme


def return_url(request: HttpRequest, default: str) -> str:
    """Return the field `next` of the form if it is an address of ours, else the default."""
    url: str = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(url, allowed_hosts={request.get_host()})
    return url if is_ours and url.startswith("/") else default  # "nan" is the name of no page

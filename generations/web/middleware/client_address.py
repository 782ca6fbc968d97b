"""Tells the audit log from which address a request came."""

from collections.abc import Callable

from allauth.account.adapter import get_adapter
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from generations.models.audit_entry import client_address


class ClientAddress:
    """Sets `client_address` for one request. The adapter knows which proxies to trust."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        token = client_address.set(get_adapter().get_client_ip(request))
        try:
            return self.get_response(request)
        finally:
            client_address.reset(token)

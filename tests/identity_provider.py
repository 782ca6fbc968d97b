"""An OpenID Connect provider in this process: what klingweb asks it, it answers from a table."""

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
from django.test import Client

URL = "https://id.example/team"
CLIENT_ID = "klingweb-at-example"


class ProviderIsDown(OSError):
    """As the errors of `requests`."""


class Answer:
    def __init__(self, data: Any, status_code: int = 200) -> None:
        self.data = data
        self.status_code = status_code
        self.headers = {"content-type": "application/json"}
        self.content = self.text = "secret of the provider"

    def json(self) -> Any:
        if self.data is None:
            raise ValueError("no JSON")
        return self.data

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise ProviderIsDown(f"status {self.status_code}")


class IdentityProvider:
    """Stands in for the session of `requests`. Tests change `person`, `token` and `answers`."""

    def __init__(self) -> None:
        self.person: dict[str, Any] = {
            "sub": "u-1",
            "preferred_username": "ada",
            "name": "Ada Lovelace",
            "email": "ada@team.example",
            "email_verified": True,
            "groups": ["designers"],
        }
        self.token: dict[str, Any] = {"iss": URL, "aud": CLIENT_ID, "exp": time.time() + 600}
        self.answers: dict[str, Answer] = {}
        self.is_down = False
        self.sent: list[dict[str, Any]] = []

    def __enter__(self) -> "IdentityProvider":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def get(self, url: str, **_options: Any) -> Answer:
        return self.request("GET", url)

    def request(self, _method: str, url: str, **options: Any) -> Answer:
        if self.is_down:
            raise ProviderIsDown("down")
        self.sent.append({"url": url, **options})
        name = url.removeprefix(f"{URL}/")
        return self.answers.get(name) or Answer(self._data(name))

    def _data(self, name: str) -> Any:
        id_token = jwt.encode(self.token | {"sub": self.person.get("sub")}, "k" * 32)
        return {
            ".well-known/openid-configuration": {
                "issuer": URL,
                "authorization_endpoint": f"{URL}/authorize",
                "token_endpoint": f"{URL}/token",
                "userinfo_endpoint": f"{URL}/userinfo",
                "jwks_uri": f"{URL}/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            },
            "token": {"access_token": "opaque", "id_token": id_token},
            "userinfo": self.person,
        }[name]

    def sign_in(self, client: Client, next_url: str = "", **answer: str) -> Any:
        """Go through the whole flow; return klingweb's response to the provider's answer."""
        query = {"next": next_url} if next_url else {}
        there = client.get("/accounts/oidc/login/", query)
        assert there.status_code == 302, there.content
        state = parse_qs(urlsplit(there["Location"]).query)["state"][0]
        return client.get("/accounts/oidc/callback/", {"state": state} | (answer or {"code": "c"}))

"""What follows a right password before the session begins."""

from allauth.account.stages import LoginStage
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


class SecondFactorStage(LoginStage):  # type: ignore[misc]
    """Asks for a code or a passkey, if the member has set one up.

    The library's stage would load its code for passkeys (10 MB) at every sign-in.
    """

    key = "mfa_authenticate"
    urlname = "mfa_authenticate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Return the response that asks, or None to go on."""
        if settings.SECOND_FACTOR and has_second_factor(self.login.user.pk):
            return HttpResponseRedirect(reverse(self.urlname)), True
        return None, True

    def is_resumable(self, request: object) -> bool:
        """The sign-in page begins anew."""
        return False


def has_second_factor(member_id: int) -> bool:
    """Whether there is more than recovery codes, which alone are none."""
    rows = Authenticator.objects.filter(user_id=member_id, type__in=FACTORS)
    return bool(rows.exists())

"""What pages say about each reason for a hold."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from generations.models import UpstreamGate

HoldReason = UpstreamGate.HoldReason
RESUMES_WHEN_ACCEPTED = _("Generation resumes automatically when Kling accepts requests again.")


@dataclass(frozen=True)
class HoldMessage:
    """The advice tells a member, or an admin, what ends the hold."""

    headline: Promise
    advice: Promise = RESUMES_WHEN_ACCEPTED
    admin_advice: Promise = RESUMES_WHEN_ACCEPTED


HOLD_MESSAGES: dict[UpstreamGate.HoldReason, HoldMessage] = {
    HoldReason.ACCOUNT: HoldMessage(
        _("Generation is on hold: the Kling account is empty."),
        _("Generation resumes automatically after a top-up."),
        _("Top up the account, then press Resume. Otherwise klingweb retries automatically."),
    ),
    HoldReason.KEY: HoldMessage(
        _("Generation is on hold: Kling rejects the API key."),
        admin_advice=_("Check the API key. klingweb retries automatically."),
    ),
    HoldReason.RIGHTS: HoldMessage(
        _("Generation is on hold: the API key is not allowed to generate images."),
        admin_advice=_("Check the permissions of the API key. klingweb retries automatically."),
    ),
    HoldReason.ADDRESS: HoldMessage(
        _("Generation is on hold: Kling rejects the IP address of this server."),
        admin_advice=_("Allow this address at the gateway. klingweb retries automatically."),
    ),
    HoldReason.BUSY: HoldMessage(
        _("Generation is on hold: Kling has been too busy for several minutes.")
    ),
    HoldReason.UNREACHED: HoldMessage(
        _("Generation is on hold: Kling is not responding correctly.")
    ),
}

"""What pages say about each reason for a hold."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import engine_for
from generations.joining import join_sentences
from generations.models import UpstreamGate

RESUMES_WHEN_ACCEPTED = _(
    "Generation resumes automatically when %(engine)s accepts requests again."
)


@dataclass(frozen=True)
class HoldMessage:
    """The advice tells a member, or an admin, what ends the hold. The texts may name the engine.

    `alone` is the headline while other engines go on.
    """

    headline: str | Promise
    alone: str | Promise
    advice: str | Promise = RESUMES_WHEN_ACCEPTED
    admin_advice: str | Promise = RESUMES_WHEN_ACCEPTED

    def named(self, engine: str) -> "HoldMessage":
        """The texts with the name of this engine."""
        values = {"engine": gettext(engine_for(engine).label)}
        texts = (self.headline, self.alone, self.advice, self.admin_advice)
        return HoldMessage(*(str(text) % values for text in texts))


HOLD_MESSAGES = {
    "account": HoldMessage(
        _("Generation is on hold: the %(engine)s account is empty."),
        _("%(engine)s is on hold: its account is empty."),
        _("Generation resumes automatically after a top-up."),
        _("Top up the account, then press Resume. Otherwise klingweb retries automatically."),
    ),
    "key": HoldMessage(
        _("Generation is on hold: %(engine)s rejects the API key."),
        _("%(engine)s is on hold: it rejects the API key."),
        admin_advice=_("Check the API key. klingweb retries automatically."),
    ),
    "rights": HoldMessage(
        _("Generation is on hold: the API key is not allowed to generate images."),
        _("%(engine)s is on hold: the API key is not allowed to use it."),
        admin_advice=_("Check the permissions of the API key. klingweb retries automatically."),
    ),
    "address": HoldMessage(
        _("Generation is on hold: %(engine)s rejects the IP address of this server."),
        _("%(engine)s is on hold: it rejects the IP address of this server."),
        admin_advice=_("Allow this address at the gateway. klingweb retries automatically."),
    ),
    "model": HoldMessage(
        _("Generation is on hold: the gateway does not offer the model at the moment."),
        _("%(engine)s is on hold: the gateway does not offer its model at the moment."),
        admin_advice=_(
            "Check at the gateway which models the key may use. klingweb retries automatically."
        ),
    ),
    "no-key": HoldMessage(
        _("Generation is on hold: no API key can be used."),
        _("%(engine)s is on hold: no API key can be used."),
        _("Generation resumes automatically with a key. Ask an owner to enter one."),
        _("An owner enters a key on the page Engines and keys. Then generation resumes."),
    ),
    "busy": HoldMessage(
        _("Generation is on hold: %(engine)s has been too busy for several minutes."),
        _("%(engine)s is on hold: it has been too busy for several minutes."),
    ),
    "unreached": HoldMessage(
        _("Generation is on hold: %(engine)s is not responding correctly."),
        _("%(engine)s is on hold: it is not responding correctly."),
    ),
}


def message_of(gate: UpstreamGate) -> HoldMessage:
    """The message about a gate that is held, in the words for its engine."""
    message = HOLD_MESSAGES[gate.hold_reason].named(gate.engine)
    return replace(message, headline=message.alone) if gate.others_go_on else message


def partial_text(gates: Iterable[UpstreamGate]) -> str:
    """Return "Kling is on hold: it rejects the API key. Other engines go on." """
    found = list(gates)
    goes_on = gettext("Other engines go on.") if any(gate.others_go_on for gate in found) else ""
    return join_sentences((*(message_of(gate).headline for gate in found), goes_on))

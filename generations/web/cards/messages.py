"""What a card says in each state: the texts of the card, its announcement and its buttons.

All texts are lazy translations. `fill` inserts the values of those with `%(name)s`; each may name
the engine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

if TYPE_CHECKING:  # django-stubs only
    from django.utils.functional import _StrOrPromise as Text
    from django.utils.functional import _StrPromise as LazyText

Severity = Literal["", "warning", "error"]


@dataclass(frozen=True)
class StateMessage:
    """Shown in this order, with the charge between `explanation` and `advice`.

    States with a severity are announced to screen readers.
    """

    headline: "Text"
    explanation: "Text" = ""
    advice: "Text" = ""
    severity: Severity = ""
    admin_advice: "Text" = ""  # for admins, instead of `advice`


# By display state; "failed:<kind>" and the like where one state has several texts.
STATE_MESSAGES: dict[str, StateMessage] = {
    "queued": StateMessage(_("Queued")),
    "queued:next": StateMessage(_("Next in queue")),
    "queued:position": StateMessage(_("%(position)s in queue")),
    "submitting": StateMessage(_("Sending")),
    "running": StateMessage(_("Generating")),
    "late": StateMessage(
        _("Taking longer than usual"),
        _("Still in progress at %(engine)s. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "late:unanswered": StateMessage(
        _("Taking longer than usual"),
        _("%(engine)s did not answer the last check. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "late:not-found": StateMessage(
        _("Taking longer than usual"),
        _("%(engine)s does not find the request now. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "late:key-missing": StateMessage(
        _("Waiting for its API key"),
        _("The API key that sent this is gone, so %(engine)s cannot be asked for the images."),
        _(
            "Nothing is sent again. It goes on when an owner puts the key back. "
            "If you dismiss it, it may still be charged."
        ),
        severity="warning",
        admin_advice=_(
            "Nothing is sent again. Put the key back on the page Engines and keys. "
            "If you dismiss it, it may still be charged."
        ),
    ),
    "fetching": StateMessage(_("Downloading %(next_file)d of %(files)d")),
    "fetching:waiting": StateMessage(_("Waiting to download %(next_file)d of %(files)d")),
    "succeeded": StateMessage(
        ngettext_lazy("The image is ready", "%(stored)d images are ready", "stored")
    ),
    "short": StateMessage(_("%(stored)d of %(n)d images ready")),
    "short:files": StateMessage(
        _("%(stored)d of %(n)d images ready"),
        ngettext_lazy(
            "%(lost)d image could not be downloaded.",
            "%(lost)d images could not be downloaded.",
            "lost",
        ),
    ),
    "unconfirmed": StateMessage(
        _("Unconfirmed"),
        _("The request was sent, but no answer arrived."),
        _("An admin can check the gateway’s log. Sending it again may charge you twice."),
        severity="warning",
        admin_advice=_(
            "Check the gateway’s log first, which is free. Sending it again may charge you twice."
        ),
    ),
    "unconfirmed:no-tasks": StateMessage(
        _("Unconfirmed"),
        _(
            "The request was sent, but no answer arrived. "
            "%(engine)s can’t be asked for it later, so its images are lost."
        ),
        _("An admin can check the gateway’s log. Sending it again may charge you twice."),
        severity="warning",
        admin_advice=_(
            "Check the gateway’s log first, which is free. Sending it again may charge you twice."
        ),
    ),
    "unconfirmed:searching": StateMessage(
        _("Unconfirmed"),
        _("The request was sent, but no answer arrived."),
        _(
            "We keep searching for the request, which is free. "
            "Sending it again may charge you twice."
        ),
        severity="warning",
    ),
    "lost": StateMessage(
        _("Not found at %(engine)s"),
        _("%(engine)s accepted the request, but no longer finds it."),
        _("Checking again is free. Images that still arrive are kept."),
        severity="warning",
    ),
    "lost:no-images": StateMessage(
        _("Done at %(engine)s, but without images"),
        _(
            "%(engine)s reports that the request is done, but lists no image that can be "
            "downloaded."
        ),
        _("Checking again is free. Images that %(engine)s lists later are kept."),
        severity="warning",
    ),
    "lost:no-result": StateMessage(
        _("No result from %(engine)s"),
        _("%(engine)s accepted the request, but has not finished it."),
        _("Checking again is free. Images that still arrive are kept."),
        severity="warning",
    ),
    "abandoned": StateMessage(_("Dismissed"), _("We no longer check for it.")),
    "abandoned:polled": StateMessage(_("Dismissed"), _("Images that still arrive are kept.")),
    "canceled": StateMessage(_("Canceled")),
    "canceled:unsent": StateMessage(_("Canceled"), _("Nothing was sent.")),
    "failed:policy": StateMessage(
        _("Rejected by the content check"),
        _("%(engine)s rejected the prompt or the reference image."),
        _("Edit the request and try again."),
        severity="error",
    ),
    "failed:policy-prompt": StateMessage(  # without a reference image, as the next with "-prompt"
        _("Rejected by the content check"),
        _("%(engine)s rejected the prompt."),
        _("Edit the request and try again."),
        severity="error",
    ),
    "failed:model": StateMessage(
        _("%(model)s is no longer available"),
        _("The gateway no longer has this model."),
        _("Reuse the settings with another model."),
        severity="error",
        admin_advice=_("Stop offering it in the settings, or ask the gateway."),
    ),
    "failed:input": StateMessage(
        _("Invalid request"),
        _("%(engine)s did not accept the settings of this request."),
        _("Edit the request and try again."),
        severity="error",
    ),
    "failed:balance": StateMessage(
        _("The %(engine)s account is empty"),
        advice=_("Try again after an admin has topped up the account."),
        severity="error",
        admin_advice=_("Top up the account, then try again."),
    ),
    "failed:busy": StateMessage(
        _("%(engine)s was too busy"),
        _("It kept refusing this request for now."),
        _("Try again later."),
        severity="error",
    ),
    "failed:time": StateMessage(
        _("Generation took too long"),
        _("%(engine)s stopped working on this request."),
        _("Trying again often helps."),
        severity="error",
    ),
    "failed:upstream": StateMessage(
        _("%(engine)s could not generate this"),
        _("%(engine)s accepted the request, but failed to complete it."),
        severity="error",
    ),
    "failed:files": StateMessage(
        _("Images ready, download failed"),
        _("%(engine)s keeps the images for some days."),
        _("Downloading them again is free."),
        severity="warning",
    ),
    "failed:files-briefly": StateMessage(
        _("Images ready, download failed"),
        _("%(engine)s keeps the images for a short time only."),
        _("Downloading them again is free."),
        severity="warning",
    ),
    "failed:not-received": StateMessage(
        _("Not received by %(engine)s"),
        _("No answer arrived, and %(engine)s does not have the request."),
        _("Trying again charges you once."),
        severity="error",
    ),
    "failed:refused": StateMessage(
        _("Refused by %(engine)s"),
        _("%(engine)s refused this request twice, and accepted others meanwhile."),
        _("Change the prompt or the reference image, or ask an admin to look at the API log."),
        severity="error",
        admin_advice=_("The API log has the answer. Other requests are not affected."),
    ),
    "failed:refused-prompt": StateMessage(
        _("Refused by %(engine)s"),
        _("%(engine)s refused this request twice, and accepted others meanwhile."),
        _("Change the prompt, or ask an admin to look at the API log."),
        severity="error",
        admin_advice=_("The API log has the answer. Other requests are not affected."),
    ),
    "failed:ours": StateMessage(
        _("Failed on our side"),
        _("Your request was not the cause."),
        _("An admin can see the details."),
        severity="error",
        admin_advice=_("The history has the details."),
    ),
}


class Wait(Enum):
    """What keeps a queued generation from starting."""

    LIMIT = ""  # as many images are in progress as the limit allows
    SOON = "soon"  # there is room
    STOPPED = "stopped"  # the worker does not run
    PAUSED = "paused"
    HELD = "held"
    BUSY = "busy"
    OWN = "own"  # it alone waits: refused for now, or it could not be prepared
    IN_DOUBT = "in-doubt"  # its owner's earlier requests got no answer
    BATCH = "batch"  # its batch is paused


WAIT_MESSAGES: dict[Wait, "LazyText"] = {
    Wait.LIMIT: _("Waiting for a free slot"),
    Wait.SOON: _("Starts in a moment"),
    Wait.STOPPED: _("The worker is not running. Starts when an admin has started it again."),
    Wait.PAUSED: _("Starts when generation resumes"),
    Wait.HELD: _("Starts when the hold ends"),
    Wait.BUSY: _("%(engine)s is busy. Next try at %(time)s; your place in the queue is kept."),
    Wait.OWN: _("Not accepted yet. Next try at %(time)s; others may go first until then."),
    Wait.IN_DOUBT: _("Your last requests were not answered. Next try at %(time)s."),
    Wait.BATCH: _("Starts when its batch is resumed"),
}


NEXT_DOWNLOAD = _("The download failed. Next try at %(time)s, free.")


class Charge(Enum):
    """What is known about the cost of a generation that did not deliver all its images."""

    NONE = "none"
    LIKELY = "likely"
    POSSIBLE = "possible"
    UNKNOWN = "unknown"
    UNKNOWN_REST = "unknown-rest"  # of the images that are missing
    IMAGES_PAID = "images-paid"
    FAILURE_CHARGED = "failure-charged"  # settings.FAILED_IS_CHARGED
    FAILURE_FREE = "failure-free"


CHARGE_MESSAGES: dict[Charge, "LazyText"] = {
    Charge.NONE: _("You were not charged."),
    Charge.LIKELY: _("You were probably charged."),
    Charge.POSSIBLE: _("You may have been charged."),
    Charge.UNKNOWN: _("An admin can check in the gateway’s log whether this was charged."),
    Charge.UNKNOWN_REST: _(
        "An admin can check in the gateway’s log whether the missing images were charged."
    ),
    Charge.IMAGES_PAID: _("The images are paid for."),
    Charge.FAILURE_CHARGED: _("You were charged, although the generation failed."),
    Charge.FAILURE_FREE: _("Failed generations are not charged."),
}
ASKED_ADMIN = _("An admin was asked to check at %(asked)s. Sending it again may charge you twice.")
EARLIER_ATTEMPT_CHARGED = _("An earlier attempt was probably charged.")
CHARGED_MORE_THAN_ONCE = _("Sent more than once, and probably charged more than once.")
ARRIVED_LATE = _("Arrived late (%(took)s). Charged once.")

QUOTED_BY_ENGINE = _("%(engine)s says: “%(reason)s”.")
QUOTED_REASON = _("The reason given: “%(reason)s”.")


@dataclass(frozen=True)
class ActionMessage:
    """The label and the CSS classes of a button."""

    label: "LazyText"
    style: str = ""


# In the order of the buttons on a card. All post to `web/cards/actions.py`.
ACTION_MESSAGES: dict[str, ActionMessage] = {
    "fetch-again": ActionMessage(_("Download again (free)"), "primary"),
    "recheck": ActionMessage(_("Check again"), "primary"),
    "search": ActionMessage(_("Check again"), "primary"),
    "ask-admin": ActionMessage(_("Ask an admin to check"), "primary"),
    "send-again": ActionMessage(_("Send again (may cost twice)")),
    "dismiss": ActionMessage(_("Dismiss"), "borderless danger"),
    "hide": ActionMessage(_("Dismiss"), "borderless"),
    "cancel": ActionMessage(_("Cancel"), "borderless"),
}
HIDE_DISMISSED = _("Hide")  # of a card that already says "Dismissed"
RETRY = _("Try again")
EDIT_AND_RETRY = _("Edit and try again")
GENERATE_MISSING = ngettext_lazy(
    "Generate the missing image", "Generate the %(missing)d missing images", "missing"
)

ESTIMATE = _("Ready in about %(low)s to %(high)s")
USUAL_DURATION = _("usually %(low)s to %(high)s")


def fill(text: "Text", values: Mapping[str, Any]) -> str:
    """Translate a text and insert the values it names."""
    return str(text % values) if text else ""

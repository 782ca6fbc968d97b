"""What a card says in each state: the texts of the card, its announcement and its buttons.

All texts are lazy translations. `fill` inserts the values of those with `%(name)s`.
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
        _("Still in progress at Kling. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "late:unanswered": StateMessage(
        _("Taking longer than usual"),
        _("Kling did not answer the last check. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "late:not-found": StateMessage(
        _("Taking longer than usual"),
        _("Kling does not find the request now. We keep checking; you can close this page."),
        _("If you dismiss it, it may still be charged. Images that still arrive are kept."),
        severity="warning",
    ),
    "fetching": StateMessage(_("Downloading %(next_file)d of %(files)d")),
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
        _("Not found at Kling"),
        _("Kling accepted the request, but no longer finds it."),
        _("Checking again is free. Images that still arrive are kept."),
        severity="warning",
    ),
    "lost:no-images": StateMessage(
        _("Done at Kling, but without images"),
        _("Kling reports that the request is done, but lists no image that can be downloaded."),
        _("Checking again is free. Images that Kling lists later are kept."),
        severity="warning",
    ),
    "lost:no-result": StateMessage(
        _("No result from Kling"),
        _("Kling accepted the request, but has not finished it."),
        _("Checking again is free. Images that still arrive are kept."),
        severity="warning",
    ),
    "abandoned": StateMessage(_("Dismissed"), _("We no longer check for it.")),
    "abandoned:polled": StateMessage(_("Dismissed"), _("Images that still arrive are kept.")),
    "canceled": StateMessage(_("Canceled")),
    "canceled:unsent": StateMessage(_("Canceled"), _("Nothing was sent.")),
    "failed:policy": StateMessage(
        _("Rejected by the content check"),
        _("Kling rejected the prompt or the reference image."),
        _("Edit the request and try again."),
        severity="error",
    ),
    "failed:input": StateMessage(
        _("Invalid request"),
        _("Kling did not accept the settings of this request."),
        _("Edit the request and try again."),
        severity="error",
    ),
    "failed:balance": StateMessage(
        _("The Kling account is empty"),
        advice=_("Try again after an admin has topped up the account."),
        severity="error",
        admin_advice=_("Top up the account, then try again."),
    ),
    "failed:busy": StateMessage(
        _("Kling was too busy"),
        _("It kept refusing this request for now."),
        _("Try again later."),
        severity="error",
    ),
    "failed:time": StateMessage(
        _("Generation took too long"),
        _("Kling stopped working on this request."),
        _("Trying again often helps."),
        severity="error",
    ),
    "failed:upstream": StateMessage(
        _("Kling could not generate this"),
        _("Kling accepted the request, but failed to complete it."),
        severity="error",
    ),
    "failed:files": StateMessage(
        _("Images ready, download failed"),
        _("Kling keeps the images for some days."),
        _("Downloading them again is free."),
        severity="warning",
    ),
    "failed:not-received": StateMessage(
        _("Not received by Kling"),
        _("No answer arrived, and Kling does not have the request."),
        _("Trying again charges you once."),
        severity="error",
    ),
    "failed:refused": StateMessage(
        _("Refused by Kling"),
        _("Kling refused this request twice, and accepted others meanwhile."),
        _("Change the prompt or the reference image, or ask an admin to look at the API log."),
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
    PAUSED = "paused"
    HELD = "held"
    BUSY = "busy"
    OWN = "own"  # this request alone waits: Kling refused it for now, or it could not be prepared
    IN_DOUBT = "in-doubt"  # its owner's earlier requests got no answer


WAIT_MESSAGES: dict[Wait, "LazyText"] = {
    Wait.LIMIT: _("Waiting for a free slot"),
    Wait.PAUSED: _("Starts when generation resumes"),
    Wait.HELD: _("Starts when the hold ends"),
    Wait.BUSY: _("Kling is busy. Next try at %(time)s; your place in the queue is kept."),
    Wait.OWN: _("Not accepted yet. Next try at %(time)s; others may go first until then."),
    Wait.IN_DOUBT: _("Your last requests were not answered. Next try at %(time)s."),
}


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
EARLIER_ATTEMPT_CHARGED = _("An earlier attempt was probably charged.")
CHARGED_MORE_THAN_ONCE = _("Sent more than once, and probably charged more than once.")
ARRIVED_LATE = _("Arrived late (%(took)s). Charged once.")

QUOTED_BY_KLING = _("Kling says: “%(reason)s”.")
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
    "send-again": ActionMessage(_("Send again (may cost twice)")),
    "dismiss": ActionMessage(_("Dismiss"), "borderless danger"),
    "cancel": ActionMessage(_("Cancel"), "borderless"),
}
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

"""What a generation is charged when it ends: the money column of the transition table."""

from collections.abc import Sequence

from django.apps import apps
from django.db.models import F

from generations.models import team_settings
from generations.models.lookups import can_look_up
from generations.models.status import Status
from generations.models.team import Team
from generations.models.transition import Transition, TransitionReason

from . import ledger, usage_day


def end_reservations(
    pks: Sequence[int], from_status: Status, to_status: Status, reason: TransitionReason
) -> None:
    """Charge or release what these generations have reserved. They have just become final.

    Call it in the transaction of the transition. A generation that was final before keeps its
    charge, as when a download is started again. Images after a dismissal correct it once.
    """
    rows = apps.get_model("generations", "Generation")._default_manager
    columns = ("pk", "n", "reservations", "charged_e4", "engine")
    ended = rows.filter(pk__in=pks, reservations__gt=0).order_by("pk").values_list(*columns)
    if len(ended) > 1 or any(last > 1 for _pk, _n, last, *_others in ended):
        ledger.lock_periods(pks)
    for pk, n, last, charged_e4, engine in ended:
        images = _charged_images(pk, n, from_status, to_status)
        if charged_e4 is None:
            # An earlier attempt that was never confirmed may have been charged as well. Where the
            # upstream knows our id, all attempts are one task: those with one key, since another
            # key may belong to another account.
            is_one_task = (
                can_look_up(engine)
                and (images > 0 or reason == TransitionReason.NOT_FOUND)
                and (last == 1 or _has_one_key(pk))
            )
            earlier = 0 if is_one_task else n
            parts = [ledger.end(pk, each, earlier, "unconfirmed") for each in range(1, last)]
            parts.append(ledger.end(pk, last, images, to_status.value))
            charged_e4 = sum(parts)
        else:
            if _was_dismissed(pk):
                charged_e4 += ledger.correct_late(pk, last, images)
            usage_day.mark_outdated(pk)  # the state has changed, perhaps without an entry
        rows.filter(pk=pk).update(charged_e4=charged_e4)


def correct_dismissed(pk: int) -> None:
    """T11 after a dismissal: the task has failed upstream, which may cost less than was charged."""
    rows = apps.get_model("generations", "Generation")._default_manager.filter(pk=pk)
    row = rows.filter(reservations__gt=0).values("n", "reservations").first()
    if row:
        images = _charged_images(pk, row["n"], Status.RUNNING, Status.FAILED)
        difference = ledger.correct_late(pk, row["reservations"], images)
        rows.update(charged_e4=F("charged_e4") + difference)


def _charged_images(pk: int, n: int, from_status: Status, to_status: Status) -> int:
    match (from_status, to_status):
        case (_, Status.CANCELED) | (Status.SUBMITTING | Status.UNCONFIRMED, Status.FAILED):
            return 0  # T14, T3, T7: nothing was accepted
        case (Status.RUNNING, Status.FAILED):  # T11
            return n if team_settings.current().failed_is_charged == "yes" else 0
        case (Status.FETCHING, _):  # T12: images were generated, whether or not they were stored
            is_listed = Team.objects.current().charged_images == Team.ChargedImages.LISTED
            return min(_listed_images(pk), n) if is_listed else n
    return n  # T9: dismissed, and perhaps charged


def _has_one_key(pk: int) -> bool:
    """Whether all attempts of this generation were sent with the same API key."""
    sent = apps.get_model("generations", "Submission")._default_manager.filter(generation=pk)
    return len(set(sent.values_list("api_key", flat=True))) < 2


def _was_dismissed(pk: int) -> bool:
    """Whether the images that are now stored, or lost, arrived after a dismissal."""
    downloads = Transition.objects.filter(generation=pk, to_status=Status.FETCHING)
    return downloads.latest("pk").from_status == Status.ABANDONED


def _listed_images(pk: int) -> int:
    pictures = apps.get_model("generations", "Picture")._default_manager
    return int(pictures.filter(generation=pk).count())

"""Every hold reason has a message."""

import pytest
from django.test import Client
from django.utils.html import escape

from generations.models import Member, UpstreamGate
from generations.web.hold_messages import HOLD_MESSAGES
from tests.test_model_picker import KLING
from tests.test_team_settings import put

HoldReason = UpstreamGate.HoldReason


def test_every_hold_reason_has_a_message() -> None:
    assert set(HOLD_MESSAGES) == {reason.value for reason in HoldReason}


@pytest.mark.parametrize("reason", HoldReason)
def test_banner_shows_the_advice_for_the_reader(
    owner_client: Client, admin_client: Client, admin: Member, reason: UpstreamGate.HoldReason
) -> None:
    put(admin, offered_models=[KLING])
    UpstreamGate.for_engine().hold(reason)
    message = HOLD_MESSAGES[reason].named("kling")
    for client, advice in (
        (owner_client, message.advice),
        (admin_client, message.admin_advice),
    ):
        page = " ".join(client.get("/").content.decode().split())
        assert escape(str(message.headline)) in page
        assert escape(str(advice)) in page

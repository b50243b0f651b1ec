"""Who rejected a call that was left open, and why, told to whoever asked for it: with the key of an approver, too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.performing.rejections import rejection_of
from allowly_harness.protocol.models import ToolCall

pytestmark = pytest.mark.anyio

CALL = ToolCall("mail", "send_email", {"to": "bob@example.com"})


@pytest.mark.parametrize(("asker", "told"), [("ada", "carla rejected it, and said: 'not on a Monday'"), ("bob", "")])
async def test_whoever_asked_hears_who_rejected_it_and_why_and_nobody_else_does(asker: str, told: str) -> None:
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as owner,
    ):
        authorization = await owner.create_authorization(
            user_id="ada",
            agent_id="mail-agent",
            scopes=["send_email"],
            expires_at=datetime.now(UTC) + timedelta(days=1),
            requires_escalation_for=["send_email"],
            escalation_targets={"send_email": "compliance"},
        )
        checked = await owner.check(
            authorization_id=authorization.authorization_id, scopes=["send_email"], resource=CALL.resource
        )
        carla = await owner.create_key(principal_id="carla", roles=["approver"], addresses=["compliance"])
        async with AuthorityClient(base_url=running.base_url, api_key=carla.key) as approver:
            await approver.resolve_escalation(
                checked.results["send_email"].escalation_id, resolution="rejected", note="not on a Monday"
            )
        made = await owner.create_key(principal_id=asker, roles=["approver"])

        async with AuthorityClient(base_url=running.base_url, api_key=made.key) as authority:
            found = await rejection_of(authority, CALL)

    assert found.replace('"', "'") == told

"""The published `allowly` 0.8.0 client works against the authority, unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest
from allowly import Allowly, AllowlyAPIError

from allowly_authority.binding import bound_resource

pytestmark = pytest.mark.anyio


@pytest.fixture
async def sdk(authority) -> AsyncIterator[Allowly]:
    client = Allowly(
        api_key=authority.api_key,
        base_url=authority.base_url,
        dangerously_allow_insecure_base_url=True,
        check_timeout_ms=10_000,
    )
    with anyio.fail_after(20):
        yield client
    await client.aclose()


async def test_all_four_decisions_reach_the_sdk(sdk, grant):
    authorization = await grant()

    reply = await sdk.check(
        authorization_id=authorization.authorization_id, actions=["read", "send", "delete", "other"]
    )

    decisions = {name: (result.decision, result.reason) for name, result in reply.results.items()}
    assert decisions == {
        "read": ("allow", "authorization_granted_action_active"),
        "send": ("confirm", "action_requires_user_confirmation"),
        "delete": ("escalate", "escalation_required"),
        "other": ("deny", "action_not_in_authorization"),
    }
    assert not any(result.is_fallback for result in reply.results.values())
    assert reply.results["send"].confirm_prompt_hint == "send"
    assert reply.results["delete"].escalation_to == "compliance"


async def test_an_unknown_authorization_is_a_denial_and_not_an_error(sdk):
    reply = await sdk.check(authorization_id="auth_nobody", actions=["read"])

    assert reply.results["read"].reason == "authorization_not_found"
    assert reply.user_id is None


async def test_an_approved_confirmation_opens_the_window_of_the_contract(sdk, grant, clock):
    authorization = await grant()
    asked = (await sdk.check(authorization_id=authorization.authorization_id, actions=["send"])).results["send"]

    approval = await sdk.confirmations.approve(asked.confirm_nonce, approved=True, ttl_seconds=60)

    assert approval.decision == "approved"
    for _ in range(2):
        again = await sdk.check(authorization_id=authorization.authorization_id, actions=["send"])
        assert again.results["send"].reason == "authorization_granted_via_confirmation"
    clock.advance(60)
    late = await sdk.check(authorization_id=authorization.authorization_id, actions=["send"])
    assert late.results["send"].decision == "confirm"


async def test_a_refused_confirmation_is_answered_in_the_word_of_the_actions_dialect(sdk, grant):
    authorization = await grant()
    asked = (await sdk.check(authorization_id=authorization.authorization_id, actions=["send"])).results["send"]

    refusal = await sdk.confirmations.approve(asked.confirm_nonce, approved=False)

    assert refusal.decision == "not_approved"
    status = await sdk.confirmations.get_status(asked.confirmation_id)
    assert (status.status, status.authority_status) == ("rejected", "none")


async def test_a_used_nonce_is_gone(sdk, grant):
    authorization = await grant()
    asked = (await sdk.check(authorization_id=authorization.authorization_id, actions=["send"])).results["send"]
    await sdk.confirmations.approve(asked.confirm_nonce, approved=True)

    with pytest.raises(AllowlyAPIError) as refused:
        await sdk.confirmations.approve(asked.confirm_nonce, approved=True)

    assert (refused.value.status, refused.value.code) == (410, "gone")


async def test_status_reads_follow_a_confirmation_to_its_end(sdk, grant, clock):
    authorization = await grant()
    resource = bound_resource("send", "{}")
    checked = {"authorization_id": authorization.authorization_id, "actions": ["send"], "resource": resource}
    asked = (await sdk.check(**checked)).results["send"]

    seen = [await sdk.confirmations.get_status(asked.confirmation_id)]
    await sdk.confirmations.approve(asked.confirm_nonce, approved=True, ttl_seconds=300)
    seen.append(await sdk.confirmations.get_status(asked.confirmation_id))
    await sdk.check(**checked)
    seen.append(await sdk.confirmations.get_status(asked.confirmation_id))

    assert [(status.status, status.authority_status) for status in seen] == [
        ("pending", "none"),
        ("approved", "available"),
        ("approved", "expired"),
    ]
    assert seen[1].resource == resource


async def test_an_approved_escalation_opens_exactly_one_check(sdk, grant):
    authorization = await grant()
    checked = {"authorization_id": authorization.authorization_id, "actions": ["delete"]}
    asked = (await sdk.check(**checked)).results["delete"]

    resolved = await sdk.escalations.approve(asked.escalation_id, resolved_by="compliance-1", note="seen")
    again = await sdk.escalations.approve(asked.escalation_id, resolved_by="compliance-1")

    assert (resolved.status, resolved.receipt is not None) == ("approved", True)
    assert (again.status, again.receipt) == ("approved", None)
    assert (await sdk.escalations.get_status(asked.escalation_id)).authority_status == "available"
    assert (await sdk.check(**checked)).results["delete"].reason == "authorization_granted_via_escalation"
    assert (await sdk.escalations.get_status(asked.escalation_id)).authority_status == "consumed"
    assert (await sdk.check(**checked)).results["delete"].decision == "escalate"


async def test_a_rejected_escalation_stays_rejected_until_it_runs_out(sdk, grant, clock):
    authorization = await grant()
    checked = {"authorization_id": authorization.authorization_id, "actions": ["delete"]}
    asked = (await sdk.check(**checked)).results["delete"]

    await sdk.escalations.reject(asked.escalation_id, resolved_by="compliance-1")

    assert (await sdk.check(**checked)).results["delete"].reason == "escalation_rejected"
    assert (await sdk.escalations.get_status(asked.escalation_id)).status == "rejected"
    with pytest.raises(AllowlyAPIError) as refused:
        await sdk.escalations.approve(asked.escalation_id, resolved_by="compliance-2")
    assert refused.value.status == 409
    clock.advance(24 * 3600)
    assert (await sdk.check(**checked)).results["delete"].decision == "escalate"


async def test_revoking_names_the_grants_that_died_with_it(sdk, grant):
    authorization = await grant()
    checked = {"authorization_id": authorization.authorization_id, "actions": ["send"]}
    asked = (await sdk.check(**checked)).results["send"]
    approval = await sdk.confirmations.approve(asked.confirm_nonce, approved=True)

    revoked = await sdk.authorizations.revoke(authorization.authorization_id)

    assert revoked.revoked_confirmations == [approval.authorization_id]
    assert (await sdk.check(**checked)).results["send"].reason == "authorization_revoked"
    assert (await sdk.confirmations.get_status(asked.confirmation_id)).authority_status == "revoked"


async def test_receipts_of_checks_are_pending(sdk, grant):
    authorization = await grant()
    reply = await sdk.check(authorization_id=authorization.authorization_id, actions=["read"])

    receipt = await sdk.receipts.get(reply.results["read"].receipt.receipt_id)

    assert receipt.status == "pending"


async def test_the_sdk_finds_the_authority_ready(sdk):
    assert await sdk.readiness() is True


async def test_a_wrong_key_is_refused(authority):
    stranger = Allowly(
        api_key="allowly_wrong_key_0123456789abcdef",
        base_url=authority.base_url,
        dangerously_allow_insecure_base_url=True,
    )

    with pytest.raises(AllowlyAPIError) as refused:
        await stranger.check(authorization_id="auth_x", actions=["read"])
    await stranger.aclose()

    assert refused.value.status == 401

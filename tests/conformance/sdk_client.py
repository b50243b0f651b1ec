"""Uses one published version of the `allowly` SDK as its documentation says, and reports what came of it.

It runs in that version's own environment, so it imports nothing else. The plan is JSON on standard input; the report is
JSON on standard output: for each operation `works`, `absent` (this version has no such method), or what went wrong.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import Any

from allowly import Allowly, AllowlyAPIError

SECONDS = 30.0
"""How long one operation may take."""

OPERATIONS: dict[str, Callable[[Bench], Awaitable[None]]] = {}


class Absent(Exception):
    """This version of the SDK has no such method."""


class Bench:
    """The SDK, and authorizations to use up: `read` is free, `send` asks the user, `delete` asks compliance."""

    def __init__(self, sdk: Allowly, plan: dict[str, Any]) -> None:
        self.sdk = sdk
        self.plan = plan

    def authorization(self) -> str:
        return self.plan["authorizations"].pop()

    async def check(self, authorization: str, action: str, **more: Any) -> Any:
        reply = await self.sdk.check(authorization_id=authorization, actions=[action], **more)
        same(reply.authorization_id, authorization)
        result = reply.results[action]
        same(result.is_fallback, False)
        return result

    def sdk_with(self, key: str) -> Allowly:
        return sdk(self.plan["base_url"], key)

    @property
    def inline(self) -> bool:
        """Whether rules are given with an authorization; later versions name a policy edition."""
        return "agent_id" in inspect.signature(self.sdk.authorizations.create).parameters


def operation(act: Callable[[Bench], Awaitable[None]]) -> Callable[[Bench], Awaitable[None]]:
    OPERATIONS[act.__name__] = act
    return act


def same(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"got {found!r}, not {wanted!r}")


def method(owner: object, *names: str) -> Any:
    """Return the first of some methods that this version has."""
    for name in names:
        if hasattr(owner, name):
            return getattr(owner, name)
    raise Absent


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


@operation
async def readiness(bench: Bench) -> None:
    same(await method(bench.sdk, "readiness")(), True)


@operation
async def create_inline(bench: Bench) -> None:
    await created(bench)


async def created(bench: Bench, **more: Any) -> str:
    if not bench.inline:
        raise Absent
    rules = {
        "user_id": "usr_7",
        "agent_id": "mail-bot",
        "actions": ["read", "send", "delete", "never"],
        "requires_confirm_for": ["send"],
        "requires_escalation_for": ["delete"],
        "requires_deny_for": ["never"],
        "escalation_targets": {"delete": "compliance"},
        "expires_at": tomorrow(),
    }
    made = await bench.sdk.authorizations.create(**(rules | more))
    same(made.receipt.status, "pending")
    same(made.requires_deny_for, more.get("requires_deny_for", ["never"]))
    same((await bench.check(made.authorization_id, "read", **costs(more))).decision, "allow")
    return made.authorization_id


def costs(rules: dict[str, Any]) -> dict[str, Any]:
    return {"estimated_cost_micros": 100} if "budget_limit_micros" in rules else {}


@operation
async def deny_list(bench: Bench) -> None:
    same((await bench.check(await created(bench), "never")).decision, "deny")


@operation
async def replace(bench: Bench) -> None:
    old = await created(bench)
    await created(bench, replaces=old)
    same((await bench.check(old, "read")).reason, "authorization_superseded")


@operation
async def budget(bench: Bench) -> None:
    settle = method(bench.sdk, "settle_budget")
    authorization = await created(bench, budget_limit_micros=1000)
    allowed = await bench.check(authorization, "read", estimated_cost_micros=300)
    same(allowed.budget.limit_micros, 1000)
    settled = await settle(check_receipt_id=allowed.receipt.receipt_id, actual_cost_micros=200)
    same((settled.delta_micros, settled.actual_cost_micros), (-100, 200))
    over = await bench.check(authorization, "read", estimated_cost_micros=900)
    same((over.decision, over.reason), ("deny", "budget_exceeded"))


def definition() -> dict[str, Any]:
    def entry(action: str, decision: str, target: str | None) -> dict[str, Any]:
        policy = {"profile": "allowly.basic.v1", "action": action, "decision": decision, "target": target}
        policy |= {"fields": {}, "rules": []}
        return {"policy": policy, "guards": {}, "executable_operations": []}

    actions = [entry("read", "allow", None), entry("send", "confirm", "agent_owner")]
    return {"profile": "allowly.policy.v1", "agent_id": "mail-bot", "actions": actions, "default_expiry_days": 1}


async def under_an_edition(bench: Bench, policy_id: str) -> str:
    policies = method(bench.sdk, "policies")
    published = await policies.create(policy_id=policy_id, definition=definition())
    made = await bench.sdk.authorizations.create(
        user_id="usr_7", policy_id=policy_id, policy_version=published.policy_ref["policy_version"]
    )
    return made.authorization_id


@operation
async def create_by_policy(bench: Bench) -> None:
    authorization = await under_an_edition(bench, "mail")
    same((await bench.check(authorization, "read")).decision, "allow")
    same((await bench.check(authorization, "send")).decision, "confirm")


@operation
async def policies(bench: Bench) -> None:
    resource = method(bench.sdk, "policies")
    published = await resource.create(policy_id="listed", definition=definition())
    same((await resource.get("listed")).policy_ref, published.policy_ref)
    same(published.policy_ref in [item.policy_ref for item in (await resource.list()).items], True)
    await resource.archive("listed")


@operation
async def check_allow(bench: Bench) -> None:
    allowed = await bench.check(bench.authorization(), "read", resource="mail:1", session_id="s", context={"n": 1})
    same((allowed.decision, allowed.reason), ("allow", "authorization_granted_action_active"))


@operation
async def check_confirm(bench: Bench) -> None:
    asked = await bench.check(bench.authorization(), "send")
    same((asked.decision, asked.reason), ("confirm", "action_requires_user_confirmation"))
    same(bool(asked.confirm_nonce and asked.confirm_expires_at), True)
    same(asked.confirm_prompt_hint, "send")


@operation
async def check_escalate(bench: Bench) -> None:
    asked = await bench.check(bench.authorization(), "delete")
    same((asked.decision, asked.escalation_to), ("escalate", "compliance"))
    same(bool(asked.escalation_id and asked.escalation_expires_at), True)


@operation
async def check_deny(bench: Bench) -> None:
    denied = await bench.check(bench.authorization(), "other")
    same((denied.decision, denied.reason), ("deny", "action_not_in_authorization"))


@operation
async def check_all_at_once(bench: Bench) -> None:
    names = ["read", "send", "delete", "other"]
    reply = await bench.sdk.check(authorization_id=bench.authorization(), actions=names)
    same([reply.results[name].decision for name in names], ["allow", "confirm", "escalate", "deny"])


@operation
async def check_unknown(bench: Bench) -> None:
    same((await bench.check("auth_nobody", "read")).reason, "authorization_not_found")


@operation
async def check_again_with_a_key(bench: Bench) -> None:
    authorization = bench.authorization()
    first, second = [
        await bench.check(authorization, "send", idempotency_key="key-1" + authorization) for _ in range(2)
    ]
    same(second.confirm_nonce, first.confirm_nonce)
    third = await bench.check(authorization, "send")
    same(third.confirm_nonce != first.confirm_nonce, True)


@operation
async def confirmation_approve(bench: Bench) -> None:
    authorization = bench.authorization()
    asked = await bench.check(authorization, "send")
    approved = await bench.sdk.confirmations.approve(asked.confirm_nonce, approved=True, ttl_seconds=60)
    same(approved.decision, "approved")
    same((await bench.check(authorization, "send")).reason, "authorization_granted_via_confirmation")
    try:
        await bench.sdk.confirmations.approve(asked.confirm_nonce, approved=True)
    except AllowlyAPIError as error:
        same((error.status, error.code), (410, "gone"))
    else:
        raise AssertionError("a nonce was taken twice")


@operation
async def confirmation_refuse(bench: Bench) -> None:
    asked = await bench.check(bench.authorization(), "send")
    refused = await bench.sdk.confirmations.approve(asked.confirm_nonce, approved=False)
    same(refused.decision, "not_approved")


@operation
async def confirmation_status(bench: Bench) -> None:
    status = method(bench.sdk.confirmations, "get_status", "get")
    asked = await bench.check(bench.authorization(), "send")
    before = await status(asked.confirmation_id)
    await bench.sdk.confirmations.approve(asked.confirm_nonce, approved=True)
    after = await status(asked.confirmation_id)
    same(
        [(one.status, one.authority_status) for one in (before, after)],
        [("pending", "none"), ("approved", "available")],
    )


@operation
async def escalation_approve(bench: Bench) -> None:
    authorization = bench.authorization()
    asked = await bench.check(authorization, "delete")
    resolved = await bench.sdk.escalations.approve(asked.escalation_id, resolved_by="compliance-1", note="seen")
    same(resolved.status, "approved")
    same((await bench.check(authorization, "delete")).reason, "authorization_granted_via_escalation")
    same((await bench.check(authorization, "delete")).decision, "escalate")


@operation
async def escalation_reject(bench: Bench) -> None:
    authorization = bench.authorization()
    asked = await bench.check(authorization, "delete")
    same((await bench.sdk.escalations.reject(asked.escalation_id, resolved_by="compliance-1")).status, "rejected")
    same((await bench.check(authorization, "delete")).reason, "escalation_rejected")


@operation
async def escalation_status(bench: Bench) -> None:
    status = method(bench.sdk.escalations, "get_status", "get")
    asked = await bench.check(bench.authorization(), "delete")
    before = await status(asked.escalation_id)
    await bench.sdk.escalations.approve(asked.escalation_id, resolved_by="compliance-1")
    after = await status(asked.escalation_id)
    same(
        [(one.status, one.authority_status) for one in (before, after)],
        [("pending", "none"), ("approved", "available")],
    )


@operation
async def revoke(bench: Bench) -> None:
    authorization = bench.authorization()
    asked = await bench.check(authorization, "send")
    approved = await bench.sdk.confirmations.approve(asked.confirm_nonce, approved=True)
    revoked = await bench.sdk.authorizations.revoke(authorization, revoked_by="ops", notes="test")
    same((revoked.authorization_id, revoked.receipt.status), (authorization, "pending"))
    same(revoked.revoked_confirmations, [approved.authorization_id])
    same((await bench.check(authorization, "read")).reason, "authorization_revoked")


@operation
async def receipt_pending(bench: Bench) -> None:
    allowed = await bench.check(bench.authorization(), "read")
    read = await bench.sdk.receipts.get(allowed.receipt.receipt_id)
    same((read.status, read.receipt_id), ("pending", allowed.receipt.receipt_id))
    try:
        await bench.sdk.receipts.get("rcp_nobody")
    except AllowlyAPIError as error:
        same((error.status, error.code), (404, "receipt_not_found"))
    else:
        raise AssertionError("a receipt of nothing was read")


@operation
async def receipt_signed(bench: Bench) -> None:
    if bench.inline:
        raise Absent  # what these versions read as a signed receipt has another form
    from allowly.verify import decode_receipt, fetch_keys_doc, load_keys_from_json, verify_receipt

    allowed = await bench.check(await under_an_edition(bench, "signed"), "read")
    receipt = await bench.sdk.receipts.fetch_signed(allowed.receipt.receipt_id, poll_interval=0.1, timeout=10)
    workspace = decode_receipt(receipt)["workspace_id"]
    base_url = bench.plan["base_url"]
    keys = fetch_keys_doc(workspace, base_url=base_url, dangerously_allow_insecure_base_url=True)
    payload = verify_receipt(receipt, load_keys_from_json(keys), expected_workspace_id=workspace)
    same((payload["receipt_id"], payload["decision"]), (allowed.receipt.receipt_id, "allow"))


@operation
async def wrong_key(bench: Bench) -> None:
    async with bench.sdk_with("allowly_wrong_key_0123456789abcdef") as stranger:
        try:
            await stranger.check(authorization_id="auth_x", actions=["read"])
        except AllowlyAPIError as error:
            same(error.status, 401)
        else:
            raise AssertionError("a wrong key was taken")


def sdk(base_url: str, key: str) -> Allowly:
    return Allowly(key, base_url=base_url, dangerously_allow_insecure_base_url=True, check_timeout_ms=10_000)


async def outcome(act: Callable[[Bench], Awaitable[None]], bench: Bench) -> str:
    try:
        await asyncio.wait_for(act(bench), SECONDS)
    except Absent:
        return "absent"
    except Exception as error:  # noqa: BLE001 - whatever the SDK raises is what is reported
        return f"{type(error).__name__}: {error}"[:300]
    return "works"


async def main(plan: dict[str, Any]) -> dict[str, Any]:
    """Do everything, one after the other."""
    async with sdk(plan["base_url"], plan["api_key"]) as client:
        bench = Bench(client, plan)
        outcomes = {name: await outcome(act, bench) for name, act in OPERATIONS.items()}
    return {"version": version("allowly"), "outcomes": outcomes}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(json.load(sys.stdin)))))

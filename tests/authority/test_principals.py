"""Who may do what over HTTP, held against a table of its own; and who asked cannot approve, whatever key is used."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from allowly_authority import AuthorityClient, InvalidRequest, NotAllowed, app
from allowly_authority.service.authority import Authority
from allowly_authority.service.health import Health
from allowly_authority.store.database import open_database
from allowly_authority.web import health, openapi

pytestmark = pytest.mark.anyio
SQLITE = pytest.mark.parametrize("location", ["sqlite"], indirect=True)

GATE, APPROVER, OPERATOR = frozenset({"gate"}), frozenset({"approver"}), frozenset({"operator"})
PEOPLE = APPROVER | OPERATOR
ALL = GATE | PEOPLE

RIGHTS = {
    ("POST", "/v1/check"): GATE,
    ("POST", "/v1/budget-settlements"): OPERATOR,
    ("POST", "/v1/confirmations/{nonce}"): APPROVER,
    ("GET", "/v1/confirmations/{confirmation_id}/status"): PEOPLE,
    ("POST", "/v1/escalations/{escalation_id}/resolve"): APPROVER,
    ("GET", "/v1/escalations/{escalation_id}"): PEOPLE,
    ("POST", "/v1/prompts/lookup"): APPROVER,
    ("POST", "/v1/prompts/calls"): APPROVER,
    ("GET", "/v1/prompts/{prompt_id}/call"): PEOPLE,
    ("GET", "/v1/prompts"): PEOPLE,
    ("GET", "/v1/prompts/events"): PEOPLE,
    ("GET", "/v1/receipts"): OPERATOR,
    ("GET", "/v1/receipts/{receipt_id}"): PEOPLE,
    ("POST", "/v1/authorizations"): OPERATOR,
    ("GET", "/v1/authorizations"): OPERATOR,
    ("GET", "/v1/authorizations/{authorization_id}"): OPERATOR,
    ("DELETE", "/v1/authorizations/{authorization_id}"): OPERATOR,
    ("POST", "/v1/explain"): OPERATOR,
    ("POST", "/v1/keys"): OPERATOR,
    ("GET", "/v1/keys"): OPERATOR,
    ("DELETE", "/v1/keys/{key_id}"): OPERATOR,
    ("GET", "/v1/principal"): ALL,
    ("POST", "/v1/policies"): OPERATOR,
    ("GET", "/v1/policies"): OPERATOR,
    ("GET", "/v1/policies/{policy_id}"): OPERATOR,
    ("DELETE", "/v1/policies/{policy_id}"): OPERATOR,
    ("POST", "/v1/agent-scope-bundles"): OPERATOR,
    ("GET", "/v1/agent-scope-bundles"): OPERATOR,
    ("GET", "/v1/agent-scope-bundles/{bundle_id}"): OPERATOR,
    ("DELETE", "/v1/agent-scope-bundles/{bundle_id}"): OPERATOR,
    ("GET", "/metrics"): ALL,
}
"""Which roles may use which request. What stands here was written down apart from the program."""

OPEN = {"/readyz", "/healthz", "/openapi.json", "/v1/workspaces/{workspace_id}/keys"}
"""What needs no key."""


def served(location: Any) -> list[tuple[str, str]]:
    """Return every method and path template that an authority answers."""
    database = open_database(location)
    authority = Authority(database, workspace_key="k" * 32, base_url="http://x")
    endpoints = [one for resource in app._RESOURCES for one in resource.endpoints(authority)]
    endpoints += [*health.endpoints(Health(database)), *openapi.endpoints(endpoints)]
    database.close()
    return [(one.method, one.path) for one in endpoints]


@SQLITE
async def test_every_request_stands_in_the_table(location) -> None:
    found = served(location)

    assert {one for one in found if one[1] not in OPEN} <= RIGHTS.keys()
    assert len(found) == len(set(found))


@SQLITE
async def test_each_role_may_do_what_the_table_says_and_nothing_else(location, api, holder) -> None:
    people = {role: await holder(f"the-{role}", role) for role in ALL}
    wrong: list[str] = []

    for method, path in served(location):
        if path in OPEN or path == "/v1/prompts/events":
            continue
        where = path.replace("{", "x").replace("}", "")
        for role, person in people.items():
            status, _ = await person.send(method, where, {} if method == "POST" else None)
            if (status != 403) is not (role in RIGHTS[method, path]):
                wrong.append(f"{role} {method} {path}: {status}")
        assert (await api(method, where, {} if method == "POST" else None))[0] not in {401, 403}, path

    assert wrong == []


@SQLITE
async def test_without_a_key_nothing_but_what_is_open_is_answered(location, authority) -> None:
    async with httpx.AsyncClient(base_url=authority.base_url, trust_env=False) as http:
        for method, path in served(location):
            reply = await http.request(method, path.replace("{", "x").replace("}", ""))

            assert (reply.status_code == 401) is (path not in OPEN), (method, path, reply.status_code)


@pytest.fixture
def ask(api, create) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Have somebody check an action that asks somebody, and return the result."""
    made: dict[str, str] = {}

    async def asked(
        sender: Any, *, kind: str = "escalation", target: str = "compliance", **more: Any
    ) -> dict[str, Any]:
        if kind + target not in made:
            lists = {f"requires_{'confirm' if kind == 'confirmation' else kind}_for": ["pay"]}
            targets = {"escalation_targets": {"pay": target}} if kind == "escalation" else {}
            made[kind + target] = await create("pay", **lists, **targets)
        body = {"authorization_id": made[kind + target], "actions": ["pay"], **more}
        status, reply = await sender.send("POST", "/v1/check", body)
        assert status == 200, reply
        return reply["results"]["pay"]

    return asked


def resolving(result: dict[str, Any]) -> str:
    return f"/v1/escalations/{result['escalation_id']}/resolve"


async def test_a_gate_can_neither_approve_nor_look_up_what_it_was_told(holder, ask) -> None:
    """A nonce that reaches an agent beside the gate's key opens nothing."""
    gate = await holder("gate-1", "gate")
    confirm = await ask(gate, kind="confirmation")
    escalate = await ask(gate)

    answers = [
        await gate.send("POST", f"/v1/confirmations/{confirm['confirm_nonce']}", {"approved": True}),
        await gate.send("POST", resolving(escalate), {"resolution": "approved", "resolved_by": "gate-1"}),
        await gate.send("POST", "/v1/prompts/lookup", {"nonce": confirm["confirm_nonce"]}),
        await gate.send("GET", f"/v1/escalations/{escalate['escalation_id']}"),
    ]

    assert [status for status, _ in answers] == [403, 403, 403, 403]
    assert {body["error"]["code"] for _, body in answers} == {"forbidden"}
    assert (await ask(gate, kind="confirmation"))["decision"] == "confirm"


async def test_an_approver_resolves_what_is_addressed_to_her_and_the_key_says_who_it_was(holder, ask) -> None:
    gate, ada = await holder("gate-1", "gate"), await holder("ada", "approver", addresses=["compliance"])
    result = await ask(gate)

    status, reply = await ada.send("POST", resolving(result), {"resolution": "approved"})

    assert status == 200, reply
    assert (reply["status"], reply["resolved_by"]) == ("approved", "ada")
    assert (await ask(gate))["decision"] == "allow"


@SQLITE
@pytest.mark.parametrize("name", ["ada", "member:ada", "compliance"])
async def test_any_of_her_own_names_may_stand_in_the_body_and_her_own_is_recorded(holder, ask, name: str) -> None:
    gate, ada = await holder("gate-1", "gate"), await holder("ada", "approver", addresses=["compliance"])
    result = await ask(gate)

    status, reply = await ada.send("POST", resolving(result), {"resolution": "approved", "resolved_by": name})

    assert (status, reply["resolved_by"]) == (200, "ada")


@SQLITE
async def test_nobody_resolves_in_somebody_elses_name(holder, ask) -> None:
    """A22."""
    gate, ada = await holder("gate-1", "gate"), await holder("ada", "approver", addresses=["compliance"])
    result = await ask(gate)

    status, reply = await ada.send("POST", resolving(result), {"resolution": "approved", "resolved_by": "bob"})

    assert status == 422
    assert reply["error"]["fields"][0]["field"] == "body.resolved_by"
    assert (await ask(gate))["decision"] == "escalate"


@SQLITE
@pytest.mark.parametrize("target", ["legal", "bob", "ADA"])
async def test_an_approver_resolves_nothing_that_is_for_others(holder, ask, target: str) -> None:
    gate, ada = await holder("gate-1", "gate"), await holder("ada", "approver", addresses=["compliance"])
    result = await ask(gate, target=target)

    for resolution in ("approved", "rejected"):
        assert (await ada.send("POST", resolving(result), {"resolution": resolution}))[0] == 403


async def test_who_sent_the_check_cannot_approve_it_with_another_key_either(holder, ask) -> None:
    """G11, I6."""
    gate = await holder("ada", "gate")
    approver = await holder("ada", "approver", addresses=["compliance"])
    result = await ask(gate)

    approved = await approver.send("POST", resolving(result), {"resolution": "approved"})
    still = await ask(gate)
    withdrawn = await approver.send("POST", resolving(result), {"resolution": "rejected"})

    assert approved[0] == 403
    assert still["decision"] == "escalate"
    assert (withdrawn[0], withdrawn[1]["status"]) == (200, "rejected")


async def test_who_asked_after_somebody_else_had_asked_cannot_approve_it_either(holder, ask) -> None:
    """G11: the open escalation is the answer to both."""
    first, second = await holder("gate-1", "gate"), await holder("ada", "gate")
    approver = await holder("ada", "approver", addresses=["compliance"])
    result = await ask(first)
    again = await ask(second)

    status, _ = await approver.send("POST", resolving(result), {"resolution": "approved"})

    assert again["escalation_id"] == result["escalation_id"]
    assert status == 403


@SQLITE
@pytest.mark.parametrize("requester", ["usr_7", "mail-bot"])
async def test_the_user_and_the_agent_cannot_approve_under_a_key_of_their_own(holder, ask, requester: str) -> None:
    """G11."""
    gate = await holder("gate-1", "gate")
    person = await holder(requester, "approver", addresses=["compliance"])
    label = await holder("bob", "approver", addresses=["compliance", requester])
    result = await ask(gate)

    for one in (person, label):
        assert (await one.send("POST", resolving(result), {"resolution": "approved"}))[0] == 403


@SQLITE
async def test_the_workspace_key_is_believed_but_never_in_the_name_of_who_asked(api, holder, ask) -> None:
    gate = await holder("gate-1", "gate")
    result = await ask(gate)

    async def resolve(**body: str) -> tuple[int, Any]:
        return await api("POST", resolving(result), {"resolution": "approved", **body})

    refused = [(await resolve(resolved_by=name))[0] for name in ("usr_7", "mail-bot", "gate-1", "member:usr_7")]
    unnamed = await resolve()
    named = await resolve(resolved_by="compliance-1")

    assert refused == [422, 422, 422, 422]
    assert unnamed[0] == 422
    assert unnamed[1]["error"]["fields"][0]["field"] == "body.resolved_by"
    assert (named[0], named[1]["resolved_by"]) == (200, "compliance-1")


async def test_an_approver_confirms_and_the_record_says_who(api, holder, ask) -> None:
    gate, ada = await holder("gate-1", "gate"), await holder("ada", "approver")
    mine, other = await ask(gate, kind="confirmation"), await ask(gate, kind="confirmation", resource="other")

    status, reply = await ada.send("POST", f"/v1/confirmations/{mine['confirm_nonce']}", {"approved": True})
    await api("POST", f"/v1/confirmations/{other['confirm_nonce']}", {"approved": True})
    by_ada = await ada.send("POST", "/v1/prompts/lookup", {"nonce": mine["confirm_nonce"]})
    by_anybody = await ada.send("POST", "/v1/prompts/lookup", {"nonce": other["confirm_nonce"]})

    assert (status, reply["decision"]) == (200, "approved")
    assert by_ada[1]["resolved_by"] == "ada"
    assert by_anybody[1]["resolved_by"] is None
    assert (await ask(gate, kind="confirmation"))["decision"] == "allow"


@SQLITE
async def test_an_operator_grants_and_revokes_in_her_own_name(holder, clock) -> None:
    olga = await holder("olga", "operator")
    body = {"user_id": "u", "agent_id": "a", "scopes": ["x"], "expires_at": "2099-01-01T00:00:00Z"}

    _, granted = await olga.send("POST", "/v1/authorizations", body)
    path = f"/v1/authorizations/{granted['authorization_id']}"
    refused = await olga.send("DELETE", path, {"revoked_by": "somebody"})
    ended = await olga.send("DELETE", path, {"notes": "done"})

    assert granted["authorization_provenance"]["grantor"]["principal_id"] == "olga"
    assert refused[0] == 422
    assert ended[0] == 200


@SQLITE
async def test_who_sends_a_check_is_the_initiator(holder, api, create) -> None:
    rules = {"name": "pay", "constraints": {"allowed_initiators": ["gate-1"]}}
    authorization = await create(rules)
    one, other = await holder("gate-1", "gate"), await holder("gate-2", "gate")
    body = {"authorization_id": authorization, "actions": ["pay"]}

    decisions = [
        (await sender("POST", "/v1/check", body))[1]["results"]["pay"]["decision"]
        for sender in (one.send, other.send, api)
    ]

    assert decisions == ["allow", "deny", "deny"]


@SQLITE
async def test_one_principals_repetition_is_not_another_ones(holder, create) -> None:
    authorization = await create("pay", requires_confirm_for=["pay"])
    one, other = await holder("gate-1", "gate"), await holder("gate-2", "gate")
    body = {"authorization_id": authorization, "actions": ["pay"]}

    first = await one.send("POST", "/v1/check", body, key="k")
    again = await one.send("POST", "/v1/check", body, key="k")
    foreign = await other.send("POST", "/v1/check", body, key="k")
    different = await other.send("POST", "/v1/check", body | {"resource": "r"}, key="k2")

    nonces = [reply["results"]["pay"]["confirm_nonce"] for _, reply in (first, again, foreign)]
    assert nonces[0] == nonces[1]
    assert nonces[2] != nonces[0]
    assert different[0] == 200


@SQLITE
async def test_the_client_tells_a_key_that_is_not_for_this_from_a_wrong_one(authority, client: AuthorityClient) -> None:
    made = await client.create_key(principal_id="gate-1", roles=["gate"])

    async with AuthorityClient(base_url=authority.base_url, api_key=made.key) as gate:
        with pytest.raises(NotAllowed):
            await gate.settle_confirmation("nonce", approved=True)
        with pytest.raises(NotAllowed):
            await gate.resolve_escalation("esc_1", resolution="approved", resolved_by="gate-1")
        with pytest.raises(NotAllowed):
            await gate.lookup_prompt(escalation_id="esc_1")


@SQLITE
async def test_an_approver_needs_no_name_and_the_workspace_key_does(client: AuthorityClient, authority, grant) -> None:
    authorization = (await grant()).authorization_id
    checked = await client.check(authorization_id=authorization, scopes=["delete"])
    escalation_id = checked.results["delete"].escalation_id
    made = await client.create_key(principal_id="ada", roles=["approver"], addresses=["compliance"])

    with pytest.raises(InvalidRequest):
        await client.resolve_escalation(escalation_id, resolution="approved")
    async with AuthorityClient(base_url=authority.base_url, api_key=made.key) as ada:
        resolved = await ada.resolve_escalation(escalation_id, resolution="approved")

    assert resolved.resolved_by == "ada"

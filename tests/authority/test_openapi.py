"""The served description of the API: whole, sound, made of what really parses, and open to all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from described import Described
from jsonschema import Draft202012Validator
from standing import KEY, standing

from allowly_authority.engine.principals import Operation
from allowly_authority.web.openapi import EXTENSION

KEY_HEADER = {"Authorization": f"Bearer {KEY}"}

EXTENSIONS = {
    "DELETE /v1/agent-scope-bundles/{bundle_id}",
    "DELETE /v1/keys/{key_id}",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /v1/agent-scope-bundles/{bundle_id}",
    "GET /v1/authorizations",
    "GET /v1/authorizations/{authorization_id}",
    "GET /v1/keys",
    "GET /v1/principal",
    "GET /v1/prompts",
    "GET /v1/prompts/events",
    "GET /v1/prompts/{prompt_id}/call",
    "POST /v1/agent-scope-bundles",
    "POST /v1/explain",
    "POST /v1/keys",
    "POST /v1/prompts/calls",
    "POST /v1/prompts/lookup",
}
"""What the hosted service does not have, or has in a form that is not known."""

OPEN = {"GET /healthz", "GET /openapi.json", "GET /readyz", "GET /v1/workspaces/{workspace_id}/keys"}


@pytest.fixture(scope="module")
def http(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        standing(tmp_path_factory.mktemp("openapi"), "--log-level", "error") as running,
        httpx.Client(base_url=running.base_url, trust_env=False, timeout=20) as opened,
    ):
        yield opened


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    reply = http.get("/openapi.json")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/json")
    return reply.json()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_right_that_a_key_can_have_belongs_to_a_described_operation(document):
    described = {operation.get("x-allowly-operation") for operation in operations(document).values()}

    assert document["openapi"] == "3.1.0"
    assert described >= {operation.value for operation in Operation}


def test_what_the_hosted_service_does_not_have_is_marked(document):
    marked = {name for name, operation in operations(document).items() if operation.get(EXTENSION)}

    assert marked == EXTENSIONS


def test_what_needs_no_key_says_so_and_nothing_else_does(document):
    told = operations(document)

    assert {name for name, operation in told.items() if operation.get("security") == []} == OPEN
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert all("401" in operation["responses"] for name, operation in told.items() if name not in OPEN)


def test_operations_have_names_of_their_own_and_say_what_they_do(document):
    told = operations(document).values()

    assert len({operation["operationId"] for operation in told}) == len(told)
    assert all(operation["summary"] for operation in told)


def test_links_lead_to_operations_and_hand_them_parameters_that_they_have(document):
    named = {operation["operationId"]: operation for operation in operations(document).values()}
    links = {
        name: link
        for operation in named.values()
        for response in operation["responses"].values()
        for name, link in response.get("links", {}).items()
    }

    assert len(links) >= 3
    for link in links.values():
        assert set(link["parameters"]) <= {parameter["name"] for parameter in named[link["operationId"]]["parameters"]}


def test_every_schema_is_one_and_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]

    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    for reference in references(document):
        kind, _, name = reference.removeprefix("#/components/").partition("/")
        assert name in document["components"][kind], reference


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {found for part in value for found in references(part)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {found for part in value.values() for found in references(part)}


def test_each_example_fits_its_schema_and_is_accepted_by_what_reads_it(document, http):
    """An example that names what is not there is answered with 404; one that cannot be read would be a 400 or 422."""
    tried = {}
    for name, operation in operations(document).items():
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        assert "example" in content, name
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(content["example"])
        method, _, path = name.partition(" ")
        path = path.replace("{", "").replace("}", "")
        reply = http.request(method, path, json=content["example"], headers=KEY_HEADER)
        tried[name] = reply.status_code

    assert set(tried.values()) <= {200, 201, 404, 410}, tried
    assert {name for name, status in tried.items() if status in {200, 201}} >= {
        "POST /v1/authorizations",
        "POST /v1/check",
        "POST /v1/keys",
        "POST /v1/policies",
    }


def test_a_request_that_breaks_a_rule_between_members_breaks_the_schema_too(document):
    schemas = document["components"]["schemas"]
    broken = {
        "CheckRequest": [
            {"authorization_id": "a"},
            {"authorization_id": "a", "scopes": ["x"], "actions": ["x"]},
            {"authorization_id": "a", "scopes": ["x", "x"]},
            {"authorization_id": "a", "scopes": []},
            {"authorization_id": "a", "scopes": [f"s{n}" for n in range(26)]},
            {"authorization_id": "a", "scopes": ["x"], "resource": "a\x00b"},
        ],
        "LookupRequest": [{}, {"nonce": None}, {"nonce": "n", "escalation_id": "e"}],
        "CreateFromPolicy": [{"user_id": "u", "policy_id": "p", "actions": ["a"]}],
        "SettleBudgetRequest": [{"check_receipt_id": "cnf_1", "actual_cost_micros": 1}],
    }

    for name, bodies in broken.items():
        validator = Draft202012Validator({**schemas[name], "components": document["components"]})
        for body in bodies:
            assert not validator.is_valid(body), (name, body)


def test_replies_with_anything_that_is_not_described_are_noticed(document):
    described = Described(document)
    receipt = {"status": "pending", "receipt_id": "rcp_1", "ready_at_estimate": "2027-01-01T00:00:00.000Z", "url": "u"}
    settled = {"decision": "approved", "authorization_id": "auth_1", "expires_at": "2027-01-01T00:00:00Z"}
    path = "/v1/confirmations/n"

    good = described.faults("POST", path, 200, settled | {"receipt": receipt})
    faults = [
        described.faults("POST", path, 200, settled | {"receipt": receipt, "confirm_nonce": "n"}),
        described.faults("POST", path, 200, settled | {"decision": "maybe", "receipt": receipt}),
        described.faults("POST", path, 418, {}),
        described.faults("POST", path, 410, {"error": "text"}),
    ]

    assert good == []
    assert all(faults)


def test_methods_that_a_path_does_not_have_are_refused_with_those_that_it_has(http):

    refused = [http.request(method, "/v1/policies", headers=KEY_HEADER) for method in ("DELETE", "PATCH", "PURGE")]

    assert [(reply.status_code, reply.headers["allow"]) for reply in refused] == [(405, "GET, HEAD, POST")] * 3


@pytest.mark.parametrize(
    ("header", "status"), [({"Host": "evil.example"}, 403), ({"Origin": "https://a.example"}, 403)]
)
def test_what_is_open_to_all_is_not_open_to_web_pages(http, header, status):
    reply = http.get("/openapi.json", headers=header)

    assert reply.status_code == status

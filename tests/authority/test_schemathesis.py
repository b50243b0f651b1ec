"""Requests made up from the served description of the API: none fails, and no reply is another than is described.

schemathesis runs as the program that it is, in all of its phases: the examples of the document, the edges of each
schema, what it makes up, and sequences of requests in which one uses what another one returned.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from standing import KEY, Standing, standing

from allowly_authority.binding import bound_resource

SCHEMATHESIS = str(Path(sys.executable).with_name("st"))

CONFIG = """
[generation]
# No request may hold U+0000, which JSON Schema has no word for inside of free objects.
allow-x00 = false

[checks]
# An archived policy can still be read, and what is revoked can be asked about: that is what it is kept for.
use_after_free.enabled = false
# Every nonce that cannot be used is told so in the same words, whatever it looks like.
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 406, 410, 413, 422, "5xx"]
# Some rules have no form in JSON Schema: a list that names what another holds, a cursor of the same list. That requests
# are accepted where they should be is counted apart, below.
positive_data_acceptance.expected-statuses = ["2xx", 400, 401, 403, 404, 409, 410, 413, 422]

[dictionaries]
{dictionaries}

[parameters]
{parameters}
"""

BOUND = {
    "authorizations": ("body.authorization_id", "path.authorization_id"),
    "nonces": ("body.nonce", "path.nonce"),
    "escalations": ("body.escalation_id", "path.escalation_id"),
    "called": ("path.prompt_id",),
    "confirmations": ("path.confirmation_id",),
    "receipts": ("body.check_receipt_id", "path.receipt_id"),
    "workspaces": ("path.workspace_id",),
    "policies": ("path.policy_id", "body.policy_id"),
    "names": ("body.actions[*]", "body.scopes[*]"),
    "costs": ("body.actual_cost_micros",),
}
"""Where ids that mean something are put, now and then, by what they are ids of."""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing(tmp_path_factory.mktemp("described"), "--log-level", "error") as started:
        yield started


def known(running: Standing) -> dict[str, list[Any]]:
    """Make some of everything, and return its ids."""
    headers = {"Authorization": f"Bearer {KEY}"}
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    inline = {"user_id": "usr_7", "agent_id": "mail-bot", "expires_at": expires_at, "actions": ["read", "send", "drop"]}
    rules = {"requires_confirm_for": ["send"], "requires_escalation_for": ["drop"]}
    found: dict[str, list[Any]] = {name: [] for name in BOUND} | {"names": ["read", "send", "drop"], "costs": [1, 2, 3]}
    with httpx.Client(base_url=running.base_url, headers=headers, trust_env=False, timeout=30) as http:
        example = http.get("/openapi.json").json()["paths"]["/v1/policies"]["post"]["requestBody"]["content"]
        # A policy is published once, and each run makes one of its own.
        policy_id = f"known-{uuid.uuid4().hex}"
        body = example["application/json"]["example"] | {"policy_id": policy_id}
        policy = http.post("/v1/policies", json=body).raise_for_status().json()
        found["policies"].append(policy["policy_ref"]["policy_id"])
        for more in (rules, {"budget_limit_micros": 10**9}):
            created = http.post("/v1/authorizations", json=inline | more).raise_for_status().json()
            found["authorizations"].append(created["authorization_id"])
        asking, budgeted = found["authorizations"]
        # What is handed in as the call behind a question must be the very call that its resource names.
        for resource in (*(f"r{number}" for number in range(5)), bound_resource("drop", "{}")):
            body = {"authorization_id": asking, "actions": ["send", "drop"], "resource": resource}
            results = http.post("/v1/check", json=body).raise_for_status().json()["results"]
            found["nonces"].append(results["send"]["confirm_nonce"])
            found["confirmations"].append(results["send"]["confirmation_id"])
            found["escalations"].append(results["drop"]["escalation_id"])
            body = {"authorization_id": budgeted, "actions": ["read"], "estimated_cost_micros": 5}
            results = http.post("/v1/check", json=body).raise_for_status().json()["results"]
            found["receipts"].append(results["read"]["receipt"]["receipt_id"])
        called = {"escalation_id": found["escalations"][-1], "tool": "drop", "arguments": {}}
        found["called"].append(http.post("/v1/prompts/calls", json=called).raise_for_status().json()["prompt_id"])
        body = {"user_id": "usr_7", "policy_id": policy_id, "policy_version": 1}
        receipt = http.post("/v1/authorizations", json=body).raise_for_status().json()["receipt"]
        signed = http.get(f"/v1/receipts/{receipt['receipt_id']}").raise_for_status().json()["receipt"]
    found["workspaces"].append(json.loads(base64.urlsafe_b64decode(signed["payload"] + "=="))["workspace_id"])
    return found


@dataclass
class Run:
    """What schemathesis found."""

    output: str
    code: int
    report: dict[str, Any]


def schemathesis(running: Standing, folder: Path, *options: str) -> Run:
    dictionaries = "\n".join(f"{name}.values = {json.dumps(ids)}" for name, ids in known(running).items())
    places = [(place, name) for name, bound in BOUND.items() for place in bound]
    parameters = "\n".join(f'"{place}" = {{ dictionary = "{name}", probability = 0.7 }}' for place, name in places)
    config = folder / "schemathesis.toml"
    config.write_text(CONFIG.format(dictionaries=dictionaries, parameters=parameters))
    command = [SCHEMATHESIS, "--config-file", str(config), "run", f"{running.base_url}/openapi.json", "--no-color"]
    # A stream of events has no end to wait for.
    command += ["--exclude-path-regex", "/events$"]
    command += ["-H", f"Authorization: Bearer {KEY}", "--continue-on-failure", "--report-json-path", "report.json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=folder, check=False, timeout=1200)
    report = folder / "report.json"
    return Run(done.stdout + done.stderr, done.returncode, json.loads(report.read_text()) if report.exists() else {})


def never_accepted(report: dict[str, Any]) -> set[str]:
    """Return the operations that no request was accepted by: what was tried there says little."""
    rates = report["valid_rates"]
    return {name for name, phases in rates.items() if not any(phase["accepted"] for phase in phases.values())}


def test_no_request_fails_and_no_reply_is_another_than_is_described(running: Standing, tmp_path: Path) -> None:
    quick = ("--phases", "examples,coverage,fuzzing,stateful", "-n", "4", "--max-time", "15")

    run = schemathesis(running, tmp_path, *quick, "--generation-deterministic")

    assert run.code == 0, run.output[-6000:]
    assert run.report["operations"]["errored"] == 0
    assert "Traceback" not in running.said()
    assert "error" not in running.said()


@pytest.mark.slow
def test_no_request_fails_however_many_are_made_up(running: Standing, tmp_path: Path) -> None:
    run = schemathesis(running, tmp_path, "-n", "100", "--max-time", "900")

    assert run.code == 0, run.output[-6000:]
    assert "error" not in running.said()
    # Only receipts of allowed checks with an estimate can be settled, and each of them once. Only the very call that a
    # question names is taken, and dictionaries hold no objects, such as its arguments.
    assert never_accepted(run.report) <= {"POST /v1/budget-settlements", "POST /v1/prompts/calls"}

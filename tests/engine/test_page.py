"""The page about decisions says what the program does: its examples, its limits and its reasons."""

import json
import re
from pathlib import Path

import pytest

from allowly_authority.engine import Operation, Principal, decide, limits, may, parse_constraints, parse_document
from allowly_authority.engine.conditions import OPERATORS
from allowly_authority.engine.constraints import CONDITION_LISTS, GUARDS
from allowly_authority.wire.paging import MAX_PAGE
from allowly_authority.wire.requests import MAX_AUTHORIZATION_NAMES

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "decisions.md").read_text()
LIMITS = PAGE.partition("## Limits")[2]


def test_its_examples_are_accepted() -> None:
    constraints, policy = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)

    assert parse_constraints(json.loads(constraints)).max_per_day == 20
    assert list(parse_document(json.loads(policy)).actions) == ["send_email"]


@pytest.mark.parametrize(
    ("row", "value"),
    [
        ("conditions of one scope", limits.MAX_CONDITIONS),
        ("values that one condition", limits.MAX_CONDITION_VALUES),
        ("name of a context field", limits.MAX_FIELD_CHARACTERS),
        ("text that a condition", limits.MAX_VALUE_CHARACTERS),
        ("`resource_pattern`", limits.MAX_PATTERN_CHARACTERS),
        ("`allowed_initiators`", limits.MAX_INITIATORS),
        ("scopes of an inline", MAX_AUTHORIZATION_NAMES),
        ("actions of a policy", limits.MAX_POLICY_ACTIONS),
        ("fields, rules", limits.MAX_POLICY_FIELDS),
        ("definition of a policy", limits.MAX_POLICY_BYTES),
        ("`default_expiry_days`", limits.MAX_EXPIRY_DAYS),
        ("items of a page", MAX_PAGE),
    ],
)
def test_its_limits_are_those_of_the_program(row, value) -> None:
    found = re.search(rf"\| {re.escape(row)}[^|]*\| (\d+)", LIMITS)

    assert found is not None
    assert int(found.group(1)) == value


def test_it_names_every_constraint_and_operator() -> None:
    for name in (*GUARDS, *CONDITION_LISTS, *OPERATORS):
        assert f"`{name}`" in PAGE


def test_it_names_every_reason_that_can_be_given() -> None:
    folder = Path(decide.__code__.co_filename).parent
    sources = "".join((folder / name).read_text() for name in ("deciding.py", "demands.py"))
    words = "authorization_|deny_|rate_|budget_exc|escalation_|action_|scope_|condition_|context_"
    reasons = set(re.findall(rf'"((?:{words})[a-z_]+)"', sources))

    assert len(reasons) > 12
    assert sorted(reason for reason in reasons if f"`{reason}`" not in PAGE) == []


@pytest.mark.parametrize(
    ("row", "operations"),
    [
        ("check", ["check"]),
        ("answer confirmations", ["confirm"]),
        ("look a question up", ["look_up"]),
        ("read how a question stands", ["read_status", "read_receipts"]),
        ("settle budgets", ["settle_budget"]),
        (
            "authorizations, policies, bundles, keys",
            [
                *("read_authorizations", "create_authorization", "revoke_authorization"),
                *("read_policies", "change_policies", "change_keys"),
            ],
        ),
        ("have a decision explained", ["explain"]),
    ],
)
def test_its_table_of_rights_is_the_program_s(row, operations) -> None:
    cells = next(line for line in PAGE.splitlines() if line.startswith(f"| {row}")).split("|")[2:6]

    for role, cell in zip(("gate", "approver", "operator", "workspace"), cells, strict=True):
        holder = Principal("somebody", frozenset({role}))  # type: ignore[arg-type]
        for operation in operations:
            assert (may(holder, Operation(operation)) is None) == (cell.strip() == "yes"), (role, operation)

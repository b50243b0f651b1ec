"""Who may do what, whichever key is used."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.engine import (
    ANYBODY,
    NOBODY,
    Escalated,
    Operation,
    Principal,
    may,
    may_at_all,
    resolver_of,
)

RIGHTS = {
    "check": "gate",
    "settle_budget": "operator",
    "confirm": "approver",
    "resolve": "approver",
    "look_up": "approver",
    "show_call": "approver",
    "read_status": "approver operator",
    "list_prompts": "approver operator",
    "read_receipts": "approver operator",
    "read_authorizations": "operator",
    "create_authorization": "operator",
    "revoke_authorization": "operator",
    "read_policies": "operator",
    "change_policies": "operator",
    "change_keys": "operator",
    "explain": "operator",
}
"""Which roles give the right to what; written down apart from the program. The workspace key gives every one."""

ROLES = ("gate", "approver", "operator", "workspace")
NAMES = ("ada", "bob", "compliance", "member:ada", "member:bob", "workspace")

GATE = Principal("gate-1", frozenset({"gate"}))
ADA = Principal("ada", frozenset({"approver"}), frozenset({"compliance"}))
OPERATOR = Principal("olga", frozenset({"operator"}))
PEOPLE = {Operation.CONFIRM, Operation.RESOLVE}


def escalated(**changes: Any) -> Escalated:
    usual: dict[str, Any] = {"target": "compliance", "requesters": frozenset({"usr_7", "mail-bot", "gate-1"})}
    return Escalated(**(usual | {"resolution": "approved", "resolved_by": "ada"} | changes))


def test_a_gate_can_check_and_nothing_else() -> None:
    allowed = {operation for operation in Operation if may(GATE, operation, escalated()) is None}

    assert allowed == {Operation.CHECK}


def test_an_operator_grants_and_never_approves() -> None:
    for operation in PEOPLE | {Operation.CHECK}:
        refused = may(OPERATOR, operation, escalated(resolved_by="olga", target="olga"))
        assert refused is not None
        assert (refused.status, refused.code) == (403, "forbidden")
    assert may(OPERATOR, Operation.CREATE_AUTHORIZATION) is None


def test_an_approver_neither_checks_nor_grants() -> None:
    assert may(ADA, Operation.CONFIRM) is None
    for operation in (Operation.CHECK, Operation.CREATE_AUTHORIZATION, Operation.CHANGE_KEYS, Operation.SETTLE_BUDGET):
        assert may(ADA, operation) is not None


@pytest.mark.parametrize("target", ["compliance", "ada", "member:ada"])
def test_an_approver_resolves_what_is_addressed_to_her(target) -> None:
    assert may(ADA, Operation.RESOLVE, escalated(target=target)) is None


@pytest.mark.parametrize("target", ["legal", "ADA", "member:adam", None])
def test_an_approver_resolves_nothing_that_is_not(target) -> None:
    refused = may(ADA, Operation.RESOLVE, escalated(target=target))

    assert refused is not None
    assert refused.status == 403


def test_nobody_resolves_in_the_name_of_somebody_else() -> None:
    refused = may(ADA, Operation.RESOLVE, escalated(resolved_by="bob"))

    assert refused is not None
    assert (refused.status, refused.field) == (422, "body.resolved_by")


def test_who_asked_cannot_approve_with_any_key_and_may_withdraw() -> None:
    """G11, at the authority."""
    asked = {"requesters": frozenset({"ada", "mail-bot"})}

    assert may(ADA, Operation.RESOLVE, escalated(**asked)) is not None
    assert may(ANYBODY, Operation.RESOLVE, escalated(**asked)) is not None
    assert may(ADA, Operation.RESOLVE, escalated(**asked, resolution="rejected")) is None
    label = Principal("bob", frozenset({"approver"}), frozenset({"ada"}))
    assert may(label, Operation.RESOLVE, escalated(**asked, resolved_by="bob", target="ada")) is not None


def test_the_workspace_key_does_everything_but_approve_for_who_asked() -> None:
    for operation in Operation:
        assert may(ANYBODY, operation, escalated(target=None)) is None
    assert may(ANYBODY, Operation.RESOLVE, escalated(resolved_by="usr_7")) is not None


def test_a_key_without_roles_does_nothing() -> None:
    nobody = Principal("x", frozenset())

    assert all(may(nobody, operation, escalated()) is not None for operation in Operation)


def test_nothing_is_resolved_without_knowing_what_it_is() -> None:
    assert may(ANYBODY, Operation.RESOLVE) is not None


def test_every_set_of_roles_has_the_rights_that_the_table_gives_and_no_other() -> None:
    assert {operation.value for operation in Operation} == RIGHTS.keys()
    for size in range(len(ROLES) + 1):
        for roles in combinations(ROLES, size):
            principal = Principal("ada", frozenset(roles))
            for operation in Operation:
                wanted = "workspace" in roles or bool({*roles} & {*RIGHTS[operation].split()})
                refusal = may_at_all(principal, operation)
                assert (refusal is None) is wanted, (roles, operation)
                assert refusal is None or (refusal.status, refusal.code) == (403, "forbidden")
                assert (may(principal, operation) is None) is (wanted and operation != "resolve")


@given(
    roles=st.frozensets(st.sampled_from(ROLES)),
    addresses=st.frozensets(st.sampled_from(NAMES), max_size=2),
    target=st.sampled_from([None, *NAMES]),
    requesters=st.frozensets(st.sampled_from(NAMES), max_size=2),
    resolution=st.sampled_from(["approved", "rejected"]),
    named=st.sampled_from([None, *NAMES]),
)
def test_an_escalation_is_resolved_by_whom_it_addresses_and_never_approved_by_who_asked(
    *, roles, addresses, target, requesters, resolution, named
) -> None:
    """G11, I6."""
    principal = Principal("ada", roles, addresses)
    asked = Escalated(target, requesters, resolution, named)
    mine = {"ada", "member:ada", *addresses}

    allowed = may(principal, Operation.RESOLVE, asked) is None

    if "workspace" in roles:
        claimed = {named, (named or "").removeprefix("member:")}
        wanted = named is not None and (resolution == "rejected" or not claimed & requesters)
    else:
        wanted = "approver" in roles and target in mine and (named is None or named in mine)
        wanted = wanted and (resolution == "rejected" or not mine & requesters)
    assert allowed is wanted


@given(named=st.sampled_from([None, *NAMES]))
def test_the_record_names_the_holder_of_the_key_and_believes_the_workspace_key_alone(named) -> None:
    assert resolver_of(ADA, named) == "ada"
    assert resolver_of(ANYBODY, named) == (named or "workspace")


def test_who_shows_no_key_may_do_nothing() -> None:
    assert all(may(NOBODY, operation, escalated()) is not None for operation in Operation)

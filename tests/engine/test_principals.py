"""Who may do what, whichever key is used."""

from __future__ import annotations

from typing import Any

import pytest

from allowly_authority.engine import ANYBODY, Escalated, Operation, Principal, may

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

"""Who may do what: the holders of keys, their roles, and the one question of each operation.

A key belongs to a principal: a person or a program. What a request says about who sent it counts for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

Role = Literal["gate", "approver", "operator", "workspace"]

WORKSPACE: Final = "workspace"
"""The principal of the one key with all roles, which the published SDKs expect.

Whoever holds that key can check, approve in anybody's name and grant: it tells nobody apart.
"""


class Operation(StrEnum):
    """What a request asks of the authority."""

    CHECK = "check"
    SETTLE_BUDGET = "settle_budget"
    CONFIRM = "confirm"
    RESOLVE = "resolve"
    LOOK_UP = "look_up"
    SHOW_CALL = "show_call"
    READ_STATUS = "read_status"
    LIST_PROMPTS = "list_prompts"
    READ_RECEIPTS = "read_receipts"
    READ_AUTHORIZATIONS = "read_authorizations"
    CREATE_AUTHORIZATION = "create_authorization"
    REVOKE_AUTHORIZATION = "revoke_authorization"
    READ_POLICIES = "read_policies"
    CHANGE_POLICIES = "change_policies"
    CHANGE_KEYS = "change_keys"
    EXPLAIN = "explain"


_RIGHTS: Final[Mapping[Role, frozenset[Operation]]] = {
    "gate": frozenset({Operation.CHECK}),
    "approver": frozenset(
        {
            Operation.CONFIRM,
            Operation.RESOLVE,
            Operation.LOOK_UP,
            Operation.SHOW_CALL,
            Operation.READ_STATUS,
            Operation.LIST_PROMPTS,
            Operation.READ_RECEIPTS,
        }
    ),
    "operator": frozenset(
        {
            Operation.SETTLE_BUDGET,
            Operation.READ_STATUS,
            Operation.LIST_PROMPTS,
            Operation.READ_RECEIPTS,
            Operation.READ_AUTHORIZATIONS,
            Operation.CREATE_AUTHORIZATION,
            Operation.REVOKE_AUTHORIZATION,
            Operation.READ_POLICIES,
            Operation.CHANGE_POLICIES,
            Operation.CHANGE_KEYS,
            Operation.EXPLAIN,
        }
    ),
    "workspace": frozenset(Operation),
}


@dataclass(frozen=True, slots=True)
class Principal:
    """Who holds a key.

    Attributes:
        principal_id: One name for all keys of the same person or program.
        addresses: Under which names escalations are addressed to it besides its own, such as `compliance`.
    """

    principal_id: str
    roles: frozenset[Role]
    addresses: frozenset[str] = frozenset()

    @property
    def names(self) -> frozenset[str]:
        """All names that mean this principal."""
        return self.addresses | {self.principal_id, f"member:{self.principal_id}"}

    def is_addressed_by(self, target: str | None) -> bool:
        """Tell whether an escalation is for this principal. One that is for nobody in particular is not."""
        return target is not None and target in self.names


ANYBODY: Final = Principal(WORKSPACE, frozenset({"workspace"}))
"""Whoever holds the workspace key."""

NOBODY: Final = Principal("nobody", frozenset())
"""Whoever shows no key, where none is needed. May do nothing that needs one."""


@dataclass(frozen=True, slots=True)
class Escalated:
    """What counts when somebody resolves an escalation.

    Attributes:
        target: Whom it addresses; `None` for nobody in particular, which the workspace key alone can resolve.
        requesters: Who asked: the user and the agent of the authorization, and each principal that sent a check
            which this escalation answered.
        resolution: What the resolver chose.
        resolved_by: Who they say they are; `None` where they leave that to their key.
    """

    target: str | None
    requesters: frozenset[str]
    resolution: Literal["approved", "rejected"]
    resolved_by: str | None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a principal may not do something.

    Attributes:
        status: 403, or 422 where the request contradicts the key that it came with.
        code: The code of the error body.
        message: A sentence for a person.
        field: The member of the body at fault, for 422.
    """

    status: Literal[403, 422]
    code: str
    message: str
    field: str | None = field(default=None)


def may(principal: Principal, operation: Operation, escalated: Escalated | None = None) -> Refusal | None:
    """Tell why a principal may not do something; `None` where it may.

    Args:
        principal: As the key tells it.
        operation: What is asked for.
        escalated: Needed for `RESOLVE`: nothing is resolved without it.
    """
    refusal = may_at_all(principal, operation)
    if refusal is not None or operation is not Operation.RESOLVE:
        return refusal
    if escalated is None:
        return _forbidden("It is not known what is to be resolved.")
    return _may_resolve(principal, escalated)


def may_at_all(principal: Principal, operation: Operation) -> Refusal | None:
    """Tell why a principal may not do something, whatever it is done to; `None` where it depends on that, or may."""
    if any(operation in _RIGHTS[role] for role in principal.roles):
        return None
    return _forbidden("This key may not do that.")


def resolver_of(principal: Principal, resolved_by: str | None) -> str:
    """Return who is to be recorded as the one who decided: the key's holder, whatever other name was given.

    Args:
        principal: Who may resolve it.
        resolved_by: The name that was given; the workspace key is believed, and needs one.
    """
    return resolved_by if resolved_by is not None and _is_whole(principal) else principal.principal_id


def _is_whole(principal: Principal) -> bool:
    return "workspace" in principal.roles


def _may_resolve(principal: Principal, escalated: Escalated) -> Refusal | None:
    named = escalated.resolved_by
    if _is_whole(principal):
        if named is None:
            return _contradiction("must be given: the workspace key tells nobody apart")
        names = frozenset({named, named.removeprefix("member:")})
    else:
        if not principal.is_addressed_by(escalated.target):
            return _forbidden("This escalation is for somebody else.")
        if named is not None and not principal.is_addressed_by(named):
            return _contradiction("must name the holder of the key")
        names = principal.names
    # Whoever asked may take the request back, and must not grant it: not under another name or key either.
    if escalated.resolution == "approved" and escalated.requesters & names:
        if _is_whole(principal):
            return _contradiction("must be somebody else than who asked")
        return _forbidden("Who asked cannot approve.")
    return None


def _forbidden(message: str) -> Refusal:
    return Refusal(403, "forbidden", message)


def _contradiction(message: str) -> Refusal:
    return Refusal(422, "validation_error", message, "body.resolved_by")

"""What the raw parameters of a request say: its target and its arguments. For every framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from allowly_middleware.pipeline.operations import Operation

COMPARED: Final = ("name", "uri", "ref", "argument", "arguments")
"""The parameters that nobody may change once a request was decided on."""

_TARGETS: Final[Mapping[Operation, str]] = {
    Operation.TOOL_CALL: "name",
    Operation.PROMPT_GET: "name",
    Operation.RESOURCE_READ: "uri",
    Operation.OTHER: "uri",
}
_COMPLETED: Final = {"ref/resource": "uri", "ref/prompt": "name"}
"""What names that which is completed. Of another kind nobody knows what the server would complete."""
_WITH_ARGUMENTS: Final = frozenset({Operation.TOOL_CALL, Operation.PROMPT_GET})


class MalformedRequestError(ValueError):
    """The parameters are not those of this method."""


def target_of(operation: Operation, params: Mapping[str, Any]) -> str | None:
    """Return what a request is for; `None` where it has no target.

    Raises:
        MalformedRequestError: The request does not say it, or not as text.
    """
    if operation is Operation.COMPLETE:
        ref = params.get("ref")
        named: Mapping[str, Any] = cast("Mapping[str, Any]", ref) if isinstance(ref, Mapping) else {}
        field = _COMPLETED.get(str(named.get("type")))
        target = None if field is None else named.get(field)
    else:
        target = params.get(_TARGETS.get(operation, ""))
        if operation not in _TARGETS or (operation is Operation.OTHER and not isinstance(target, str)):
            return None
    if not isinstance(target, str):
        raise MalformedRequestError("the request does not name what it is for")
    return target


def arguments_of(operation: Operation, params: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the arguments of a tool or a prompt; `None` for other operations.

    Raises:
        MalformedRequestError: They are no mapping.
    """
    if operation not in _WITH_ARGUMENTS:
        return None
    arguments = params.get("arguments")
    if arguments is None:
        return {}
    if type(arguments) is not dict and not isinstance(arguments, Mapping):
        raise MalformedRequestError("the arguments are no object")
    return cast("Mapping[str, Any]", arguments)


def compared(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of the parameters that nobody may change."""
    found = {name: params[name] for name in COMPARED if params.get(name) is not None}
    return found if found.get("arguments") != {} else {name: found[name] for name in found if name != "arguments"}


def request_state_of(params: Mapping[str, Any]) -> str | None:
    """Return the state that a further leg of a call brings back; `None` on a first leg."""
    state = params.get("requestState")
    return state if isinstance(state, str) else None


def is_further_leg(params: Mapping[str, Any]) -> bool:
    """Tell whether a request claims to bring input that an earlier leg of the same call asked for."""
    return params.get("requestState") is not None or params.get("inputResponses") is not None

"""Which server of several that FastMCP mounts in each other serves a request, and under which name.

A mounted server's tool is known to the client under a name with a namespace. Patterns see it as its own server
does, wherever it is mounted. What cannot be traced back keeps the name that the client uses.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from allowly_middleware.pipeline.exchange import Address
from allowly_middleware.pipeline.operations import Operation

if TYPE_CHECKING:
    from allowly_middleware.pipeline.pipeline import Pipeline

logger = logging.getLogger(__name__)

MAX_MOUNTS: Final = 16
"""How many servers deep a name is traced."""

_OF_ITEMS: Final[Mapping[Operation, tuple[str, ...]]] = {
    Operation.TOOL_CALL: ("name",),
    Operation.PROMPT_GET: ("name",),
    Operation.RESOURCE_READ: ("uri", "uri_template"),
}


async def address_of(pipeline: Pipeline, server: Any, name: str, operation: Operation, target: str | None) -> Address:
    """Return the address of a request.

    Args:
        pipeline: Knows what the servers are called.
        server: The server that the client is connected to; `None` where FastMCP does not tell.
        name: What it is called in patterns.
        operation: What is asked for.
        target: What it is for, as the client names it.
    """
    here = Address(name, target, name, target)
    if server is None or target is None or operation not in _OF_ITEMS:
        return here
    if len(server.providers) < 2 and not _is_hashed(operation, target):  # noqa: PLR2004 - the local one is always there
        return here
    try:
        component = await _component(server, operation, target)
    except Exception as error:  # noqa: BLE001 - what cannot be looked up cannot be called either
        logger.debug("looking up a component ended in %s", type(error).__name__)
        return here
    found_name, found = await _traced(pipeline, name, component, operation, target)
    return Address(found_name, found, name, target)


async def addresses_of(
    pipeline: Pipeline, name: str, operation: Operation, items: Sequence[Mapping[str, Any]], listed: Sequence[Any]
) -> list[tuple[str, str | None]]:
    """Return server and name of each item of a list.

    Args:
        pipeline: As for `address_of`.
        name: As for `address_of`.
        operation: What asking for one of the items would be.
        items: The items, in the words of the protocol.
        listed: The components that FastMCP listed.
    """
    components = {_name(component, operation): component for component in listed}
    found: list[tuple[str, str | None]] = []
    for item in items:
        target = item.get("name") if operation is not Operation.RESOURCE_READ else item.get("uri")
        target = target or item.get("uriTemplate")
        found.append(await _traced(pipeline, name, components.get(target), operation, target))
    return found


async def _traced(
    pipeline: Pipeline, name: str, component: Any, operation: Operation, target: str | None
) -> tuple[str, str | None]:
    """Follow a component to the server that it comes from."""
    found_name, found = name, target
    if operation is not Operation.RESOURCE_READ and component is not None:
        # Its own name, where the client used another one that leads to the same tool.
        found = str(component.name)
    for _ in range(MAX_MOUNTS):
        child = getattr(component, "_server", None)
        original = await _original(component, found)
        if child is None or original is None:
            break
        found_name, found = pipeline.name_in(child) or str(child.name), original
        component = await _component(child, operation, original)
    return found_name, found


async def _component(server: Any, operation: Operation, target: str) -> Any:
    if operation is Operation.TOOL_CALL:
        return await server.get_tool(target) or await _by_hash(server, target)
    if operation is Operation.PROMPT_GET:
        return await server.get_prompt(target)
    return await server.get_resource(target) or await server.get_resource_template(target)


def _is_hashed(operation: Operation, target: str) -> bool:
    """Whether FastMCP may find a tool under this name that has another one."""
    return operation is Operation.TOOL_CALL and _hashed(target) is not None


async def _by_hash(server: Any, target: str) -> Any:
    hashed = _hashed(target)
    return None if hashed is None else await server.get_tool_by_hash(*hashed)


async def _original(component: Any, target: str | None) -> str | None:
    """Return what the mounted server itself calls a component; `None` where it is not of a mounted one."""
    template: object = getattr(component, "_original_uri_template", None)
    if isinstance(template, str) and target is not None and target != str(component.uri_template):
        # A read: the URI with the same values, as the mounted server takes it.
        component = await component.create_resource(target, component.matches(target) or {})
        template = None
    for original in (template, getattr(component, "_original_name", None), getattr(component, "_original_uri", None)):
        if isinstance(original, str):
            return original
    return None


def _hashed(target: str) -> tuple[str, str] | None:
    """Read a name that FastMCP gives to tools that only an app calls: it leads to a tool of another name."""
    from fastmcp.server.providers.addressing import parse_hashed_backend_name

    return parse_hashed_backend_name(target)


def _name(component: Any, operation: Operation) -> str | None:
    for name in _OF_ITEMS[operation]:
        found: object = getattr(component, name, None)
        if found is not None:
            return str(found)
    return None

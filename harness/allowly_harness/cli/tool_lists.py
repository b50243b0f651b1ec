"""The tools that a policy is held against: from a file with the answer to `tools/list`, or from a server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import click

from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_harness.workbench.tools import ToolEntry
    from allowly_middleware.policy import ListedTool, PolicySet

MAX_INPUT_BYTES: Final = 16 * 1024 * 1024
"""Largest list of tools or JSON object that is read from a file, in bytes."""

LISTING_SECONDS: Final = 60.0
"""How long a server may take to answer one request while its tools are listed."""


@dataclass(frozen=True, slots=True)
class ToolList:
    """Tools under the name by which the policy calls their server.

    Attributes:
        tools: The tools.
        annotations: Their annotations, by the tool's name.
    """

    tools: tuple[ListedTool, ...]
    annotations: Mapping[str, Mapping[str, Any]]


def read_tool_list(given: str, name: str | None, policies: PolicySet, *, trust_project: bool) -> ToolList | int:
    """Read the tools of a list in a file, or of a server, which is started for it.

    Args:
        given: The file, whose name ends in `.json`, or the server, as `connect` takes it.
        name: What the policy calls the server; `None` for the one that it names, or what the server calls itself.
        policies: The policy.
        trust_project: Start a server that the project configures without asking.

    Returns:
        The tools; or, after a failure that was said, the code to exit with.

    Raises:
        ConfigurationError: The file holds no list of tools, the server cannot be named so, or the policy names
            several servers and none was said.
    """
    name = name or only_server(policies)
    if given.endswith(".json") and Path(given).exists():
        document = read_json(given, "", "--tools")
        tools, said = _tools_in(document)
        name = name or said
        if name is None:
            raise ConfigurationError(
                "the policy names several servers, or none; say with --server whose tools these are"
            )
        return _listed(name, tools)
    return _of_server(given, name, trust_project=trust_project)


def only_server(policies: PolicySet) -> str | None:
    """Return the one server that the rules name without stars; `None` where they name none or several."""
    names = {
        pattern.server.literal
        for policy in policies.policies
        for rule in policy.rules
        for _, pattern in rule.targets
        if pattern.server.literal is not None
    }
    return names.pop() if len(names) == 1 else None


def read_json(path: str | None, text: str, option: str) -> Any:
    """Read strict JSON from a file, or from a text where there is none.

    Raises:
        BadParameter: The file cannot be read, is larger than `MAX_INPUT_BYTES`, or it is no JSON.
    """
    from allowly_authority.strict_json import StrictJSONError, parse_json

    content = text.encode(errors="surrogateescape")
    if path is not None:
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_INPUT_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise click.BadParameter(f"{path!r} cannot be read: {reason}", param_hint=option) from None
    if len(content) > MAX_INPUT_BYTES:
        raise click.BadParameter(f"it is larger than {MAX_INPUT_BYTES} bytes", param_hint=option)
    try:
        return parse_json(content, max_depth=64)
    except StrictJSONError as error:
        raise click.BadParameter(str(error), param_hint=option) from None


def _tools_in(document: Any) -> tuple[list[tuple[str, Mapping[str, Any]]], str | None]:
    said: Any = None
    if isinstance(document, dict):
        held = cast("dict[str, Any]", document)
        said = held.get("server")
        document = held.get("tools", cast("dict[str, Any]", held.get("result") or {}).get("tools"))
    tools: list[tuple[str, Mapping[str, Any]]] = []
    for item in document if isinstance(document, list) else [None]:
        tool = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
        if not isinstance(tool.get("name"), str):
            raise ConfigurationError("the file holds no list of tools, such as the answer to tools/list")
        annotations = tool.get("annotations")
        tools.append((tool["name"], cast("dict[str, Any]", annotations) if isinstance(annotations, dict) else {}))
    return tools, said if isinstance(said, str) else None


def _listed(server: str, tools: list[tuple[str, Mapping[str, Any]]]) -> ToolList:
    from allowly_middleware.policy import ListedTool

    return ToolList(tuple(ListedTool(server, name) for name, _ in tools), dict(tools))


def _of_server(given: str, name: str | None, *, trust_project: bool) -> ToolList | int:
    from allowly_harness.cli.naming import take_server
    from allowly_harness.cli.opening import Target
    from allowly_harness.cli.running import run

    target = Target(take_server(given, trust_project=trust_project), timeout=LISTING_SECONDS)
    found: list[ToolList] = []

    async def read() -> int:
        entries, called = await _entries(target)
        found.append(_listed(name or called, [(entry.name, entry.annotations) for entry in entries]))
        return 0

    code = run(read)
    return found[0] if found else code


async def _entries(target: Any) -> tuple[tuple[ToolEntry, ...], str]:
    """Return the server's tools and what it calls itself.

    Raises:
        ConfigurationError: It does not list them.
    """
    from mcp import MCPError

    from allowly_harness.approvers.unattended import UnattendedApprover
    from allowly_harness.cli.opening import open_session
    from allowly_harness.workbench.tools import read_tools

    async with open_session(target, UnattendedApprover("deny")) as session:
        try:
            listing = await read_tools(session)
        except (MCPError, TimeoutError, RuntimeError, ValueError) as error:
            raise ConfigurationError(f"the server did not list its tools ({type(error).__name__})") from None
        if listing.problem:
            raise ConfigurationError(f"the server did not list all of its tools: {listing.problem}")
        return tuple(listing.entries), session.server.name

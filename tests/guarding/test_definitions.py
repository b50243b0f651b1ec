"""What is said of tools that are new, or not what they were when the policy was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from allowly_harness.guarding.definitions import Watch, definitions_file, digests_of, read_definitions, written
from allowly_harness.guarding.naming import policy_name
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.servers import ServerSpec

TOOL: dict[str, Any] = {
    "name": "write",
    "description": "Write a file.",
    "inputSchema": {"type": "object", "properties": {"path": {"type": "string"}}},
    "annotations": {"destructiveHint": True},
}


def said_of(*pages: list[dict[str, Any]], known: Any = None) -> list[str]:
    said: list[str] = []
    watch = Watch(digests_of([TOOL]) if known is None else known, lambda _, found: said.append(found))
    for page in pages:
        watch.look({"tools": page})
    return said


def test_the_same_definition_is_no_news_whatever_the_order_of_its_names() -> None:
    schema = {"properties": {"path": {"type": "string"}}, "type": "object"}

    assert said_of([{**TOOL, "inputSchema": schema, "icons": []}]) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"description": "Write a file, and send it to me."}, "its description"),
        ({"annotations": {"readOnlyHint": True}}, "its annotations"),
        ({"inputSchema": {}, "outputSchema": {}}, "its input schema and output schema"),
        ({"title": "W", "description": None, "annotations": None}, "its title, description and annotations"),
    ],
)
def test_a_tool_whose_definition_changed_is_said_with_what_changed(change: dict[str, Any], what: str) -> None:
    (said,) = said_of([TOOL | change])

    assert said == f"the tool 'write' has changed since the policy was written: {what}"


def test_a_new_tool_is_said() -> None:
    (said,) = said_of([TOOL, {"name": "shout"}])

    assert said == "the tool 'shout' is new: it was not there when the policy was written"


def test_each_finding_is_said_once_and_a_further_change_again() -> None:
    said = said_of([{"name": "new"}], [{"name": "new"}], [TOOL | {"title": "a"}], [TOOL | {"title": "b"}])

    assert len(said) == 3


def test_a_server_that_changes_for_ever_does_not_fill_the_log() -> None:
    """G6."""
    assert len(said_of([{"name": f"tool {number}"} for number in range(1000)])) == 200


@pytest.mark.parametrize("page", [None, 1, [1, {}, {"name": 1}, None]])
def test_what_is_no_list_of_tools_is_passed_over(page: Any) -> None:
    assert said_of(page) == []


def test_where_nothing_was_kept_nothing_is_said(tmp_path: Path) -> None:
    said: list[str] = []

    Watch(read_definitions(tmp_path / "none.json"), lambda _, found: said.append(found)).look({"tools": [TOOL]})

    assert said == []


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    path = definitions_file(tmp_path / "policy.toml")
    path.write_text(written("files", [TOOL]))

    assert path.name == "policy.tools.json"
    assert read_definitions(path) == digests_of([TOOL])


@pytest.mark.parametrize(
    "text", ["", "{}", '{"version": 1, "tools": {"a": {"title": 1}}}', '{"version": 2, "tools": {}}']
)
def test_a_damaged_file_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "policy.tools.json"
    path.write_text(text)

    with pytest.raises(ConfigurationError, match="damaged"):
        read_definitions(path)


def test_tools_without_a_name_in_text_are_never_kept() -> None:
    assert json.loads(written("s", []))["tools"] == {}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("npx -y @modelcontextprotocol/server-filesystem /home/ada", "server-filesystem"),
        ("npx -y @scope/server-x@1.2.3", "server-x"),
        ("uvx mcp-server-git==2026.1 --repository .", "mcp-server-git"),
        ("uvx --python 3.12 mcp_server_time@latest", "mcp_server_time"),
        ("docker run -i --rm ghcr.io/github/github-mcp-server:v1", "github-mcp-server"),
        ("/usr/bin/npx", "npx"),
        ("python server.py", "given"),
        ("node --no-warnings /opt/bin/mcp-server-files /data", "mcp-server-files"),
    ],
)
def test_a_server_is_called_after_its_package(command: str, name: str) -> None:
    spec = ServerSpec(
        ServerInfo(next((one for one in ("npx", "node") if one in command), "given"), command),
        command=tuple(command.split()),
    )

    assert policy_name(spec) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [("127.0.0.1:8000", "127-0-0-1-8000"), ("demo:mail", "demo-mail"), ("..", "server"), ("a__b", "a-b")],
)
def test_a_name_needs_no_quotes_in_a_pattern(given: str, name: str) -> None:
    assert policy_name(ServerSpec(ServerInfo(given, given), url="http://x")) == name

"""The page about the bridge: its entries are read as hosts read them, and its limits are those of the code."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest

from allowly_harness.approvers.base import MAX_WAITING_QUESTIONS
from allowly_harness.bridge import asking, eras, form, held, host, http, link, listening, stdio, upstream, upstreams
from allowly_harness.cli.main import cli

PAGE = (Path(__file__).parents[2] / "docs" / "bridge.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def entries() -> list[dict[str, Any]]:
    """Return every entry of the page that names a server."""
    documents = [json.loads(text) for text in blocks("json")] + [tomllib.loads(text) for text in blocks("toml")]
    keys = ("mcpServers", "servers", "context_servers", "mcp_servers")
    return [document[key]["mail"] for document in documents for key in keys if key in document]


def commands() -> list[list[str]]:
    """Return every command line of the page that starts the bridge."""
    typed = [shlex.split(line) for text in blocks("sh") for line in text.splitlines()]
    return [words[words.index("allowly-harness") :] for words in typed] + [
        [entry["command"], *entry["args"]] for entry in entries()
    ]


@pytest.mark.parametrize("words", [pytest.param(words, id=f"{number}") for number, words in enumerate(commands())])
def test_every_command_of_the_page_is_one_that_the_program_takes(words: list[str]) -> None:
    program, name, *arguments = words

    command = cli.commands[name]
    context = command.make_context(name, arguments)

    assert program == "allowly-harness"
    assert name == "bridge"
    assert isinstance(context, click.Context)


def test_there_is_an_entry_for_every_kind_of_file() -> None:
    assert len(entries()) == 4
    assert len(commands()) == 6


@pytest.mark.parametrize(
    "limit",
    [
        f"`--start-timeout`, {upstream.START_SECONDS:.0f} s",
        f"what a server asks | {host.HOST_SECONDS:.0f} s",
        f"of a modern host | {held.HOLD_SECONDS:.0f} s",
        f"held calls that wait for a leg | {held.MAX_HELD} |",
        f"on their way to one server | {link.MAX_FLIGHTS} |",
        f"| {MAX_WAITING_QUESTIONS} |",
        f"| {link.MAX_ASKED} |",
        f"{form.MAX_MESSAGE_CHARACTERS:,} characters",
        f"wrong words in a form | {asking.MAX_ATTEMPTS} |",
        f"| {upstream.MAX_QUEUED:,} |",
        f"subscriptions to resources | {listening.MAX_SUBSCRIPTIONS} |",
        f"{stdio.MAX_LINE_BYTES // 1024 // 1024} MiB",
        f"{http.MAX_SESSIONS}, each idle for {http.SESSION_IDLE_SECONDS // 60:.0f} minutes",
        f"{upstreams.MAX_UPSTREAMS}; shared ones idle for {upstreams.IDLE_SECONDS // 60:.0f} minutes",
        f"every {asking.PROGRESS_SECONDS:.0f} seconds",
    ],
)
def test_the_limits_of_the_page_are_those_of_the_code(limit: str) -> None:
    assert limit in PAGE


def test_the_names_of_the_page_are_there() -> None:
    import allowly_harness.bridge as package

    named = set(re.findall(r"allowly_harness\.bridge\.(\w+)", PAGE))

    assert named == {"open_bridge", "serve_http"}
    assert all(callable(getattr(package, name)) for name in named)
    assert eras.INPUT_METHODS

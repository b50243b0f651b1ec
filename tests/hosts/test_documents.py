"""Files as hosts and people leave them, and files that are meant to hurt: read, or refused with a reason."""

import json
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.hosts.documents import MAX_FILE_BYTES, MAX_SERVERS, without_comments

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_comments_and_trailing_commas_are_taken_where_the_host_takes_them(world) -> None:
    text = (
        '\ufeff// one\n{/* two\n */ "servers": {"s": {"command": "c", "args": ["http://x//y /* no */", ",]",],},},}\n'
    )
    world.write(world.project / ".vscode/mcp.json", text)

    assert world.entry("s").command == ("c", "http://x//y /* no */", ",]")


def test_comments_are_refused_where_the_host_refuses_them(world) -> None:
    world.write(world.project / ".mcp.json", '// no\n{"mcpServers": {}}')

    assert "line 1, column 1" in world.find().unreadable[0].reason


@given(JSON)
def test_what_has_no_comments_keeps_its_meaning(value) -> None:
    text = json.dumps(value, ensure_ascii=False, indent=1)

    assert json.loads(without_comments(text)) == value


@given(st.text(alphabet='"\\/*,]} \n', max_size=60))
def test_blanking_keeps_every_place(text: str) -> None:
    blanked = without_comments(text)

    assert len(blanked) == len(text)
    assert [at for at, letter in enumerate(blanked) if letter == "\n"] == [
        at for at, letter in enumerate(text) if letter == "\n"
    ]


@pytest.mark.parametrize("unit", ['"\\', "/*/", '"', ", ", "//", "/*", '\\"'])
def test_a_hostile_file_is_read_in_linear_time(unit: str) -> None:
    def seconds(times: int) -> float:
        text = unit * times
        started = time.process_time()
        without_comments(text)
        return time.process_time() - started

    # Quadratic work would take minutes here; twenty times the input may take a hundred times as long.
    assert seconds(200_000) < 100 * max(seconds(10_000), 0.001)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param('{"mcpServers": {', "line", id="half a file"),
        pytest.param("[]", "must be a JSON object", id="a list"),
        pytest.param('{"mcpServers": []}', "object of servers", id="a list of servers"),
        pytest.param('{"mcpServers": {"a": {}, "a": {}}}', "twice", id="a name twice"),
        pytest.param("[" * 100_000, "", id="deep and unfinished"),
        pytest.param('{"x": ' + "[" * 40 + "]" * 40 + "}", "deeper", id="deep"),
        pytest.param('{"x": NaN}', "", id="not a number"),
        pytest.param(b'{"x": "\xff"}', "UTF-8", id="not UTF-8"),
        pytest.param(b"\xff\xfe{\x00}\x00", "UTF-8", id="UTF-16"),
        pytest.param('{"x": "\\ud800"}', "surrogate", id="half a character"),
        pytest.param(
            json.dumps({"mcpServers": {str(n): {} for n in range(MAX_SERVERS + 1)}}), "more than", id="too many"
        ),
        pytest.param(b" " * (MAX_FILE_BYTES["json"] + 1), "longer than", id="too long"),
    ],
)
def test_a_file_that_cannot_be_read_is_listed_with_the_reason_and_hides_no_other(world, content, said) -> None:
    world.write(world.project / ".mcp.json", content)
    world.write(world.project / ".vscode/mcp.json", {"servers": {"s": {"command": "c"}}})

    found = world.find()

    (unreadable,) = found.unreadable
    assert said in unreadable.reason
    assert unreadable.place.path == world.project / ".mcp.json"
    assert [entry.name for entry in found.entries] == ["s"]


def test_a_file_that_cannot_be_read_is_not_quoted(world) -> None:
    """G7."""
    world.write(world.project / ".mcp.json", '{"mcpServers": {"s": {"env": {"TOKEN": "hunter2-hunter2" oops}}}}')

    assert "hunter2" not in world.find().unreadable[0].reason


@pytest.mark.parametrize("content", ["", " \n", "{}", '{"mcpServers": null}', '{"mcpServers": {}}', '{"x": 1}'])
def test_a_file_without_servers_is_no_problem(world, content: str) -> None:
    world.write(world.project / ".mcp.json", content)

    found = world.find()

    assert (found.entries, found.unreadable) == ((), ())


def test_a_pipe_in_the_files_place_holds_nothing_up(world) -> None:
    os.mkfifo(world.project / ".mcp.json")

    assert "regular file" in world.find().unreadable[0].reason


def test_a_file_that_may_not_be_read_is_told(world) -> None:
    path = world.mcp_json(s={"command": "c"})
    path.unlink()
    path.symlink_to(path)

    assert world.find().unreadable[0].reason


@pytest.mark.parametrize("text", ["[mcp_servers", "a = " + "[" * 5000, "x = 1\nx = 2", "\x00"])
def test_broken_toml_is_told(world, text: str) -> None:
    world.write(world.home / ".codex/config.toml", text)

    assert world.find().unreadable[0].reason

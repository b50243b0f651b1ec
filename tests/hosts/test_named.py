"""From a name to how its server is started or reached: which one is meant, and what its file's variables become."""

import os
import sys
from pathlib import Path

import pytest

from allowly_harness.hosts.expanding import Expander, ExpansionError
from allowly_harness.named import named_entry, spec_of, variables_taken
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.servers import is_command

HERE = {"PATH": os.environ["PATH"]}


def expander(variables, **environ: str) -> Expander:
    return Expander(variables, environ, Path("/w/project"), Path("/h"), withheld=("ALLOWLY_KEY",))


def spec(world, name: str = "s"):
    return spec_of(world.entry(name), world.surroundings())


@pytest.mark.parametrize(
    ("variables", "text", "expanded"),
    [
        ("shell", "${A}-${B:-b}-${A:-no}-$A", "1-b-1-$A"),
        ("shell", "${EMPTY}|${EMPTY:-x}", "|x"),
        ("shell", "${env:A} ${workspaceFolder}", "1 /w/project"),
        ("dollar", "$A ${A} $A-b 5$", "1 1 1-b 5$"),
        ("editor", "${env:A} ${A} $A", "1 ${A} $A"),
        (
            "editor",
            "${workspaceFolder}${/}${workspaceFolderBasename} ${userHome}${pathSeparator}",
            "/w/project/project /h/",
        ),
        ("none", "${A} ${env:A} $A", "${A} ${env:A} $A"),
        # What is put in is not looked at again.
        ("shell", "${TRICK}", "${A}"),
        ("dollar", "$TRICK", "${A}"),
    ],
)
def test_variables_are_replaced_as_the_host_does(variables, text: str, expanded: str) -> None:
    assert expander(variables, A="1", EMPTY="", TRICK="${A}").expand(text) == expanded


@pytest.mark.parametrize(
    ("variables", "text", "said"),
    [
        ("shell", "${NOPE}", "NOPE, which is not set"),
        ("shell", "${env:NOPE}", "NOPE, which is not set"),
        ("dollar", "$NOPE", "NOPE, which is not set"),
        ("editor", "${env:NOPE}", "NOPE, which is not set"),
        ("editor", "${input:token}", "only its host"),
        ("editor", "${command:pick}", "only its host"),
        ("editor", "${file:/etc/passwd}", "only its host"),
        ("shell", "${NOPE:-${A}}", "default of another"),
        ("shell", "${ALLOWLY_KEY}", "takes ALLOWLY_KEY"),
        ("shell", "${ALLOWLY_KEY:-x}", "takes ALLOWLY_KEY"),
        ("editor", "${env:ALLOWLY_KEY}", "takes ALLOWLY_KEY"),
        ("dollar", "$ALLOWLY_KEY", "takes ALLOWLY_KEY"),
    ],
)
def test_what_cannot_be_replaced_is_an_error_that_names_the_variable(variables, text: str, said: str) -> None:
    with pytest.raises(ExpansionError, match=said):
        expander(variables, A="1", ALLOWLY_KEY="the-key").expand(text)


def test_a_started_server_has_command_env_and_folder_as_given(world) -> None:
    (world.project / "sub").mkdir()
    world.environ |= {"TOKEN": "hunter2-hunter2"}
    given = {"command": sys.executable, "args": ["-c", "${A:-x}"], "env": {"T": "${TOKEN}"}, "cwd": "sub"}
    world.mcp_json(s=given)

    found = spec(world)

    assert found.command == (sys.executable, "-c", "x")
    assert (dict(found.env), found.cwd) == ({"T": "hunter2-hunter2"}, world.project / "sub")
    assert found.info.name == "s"
    assert "hunter2" not in repr(found) + found.info.configured


def test_without_a_folder_a_projects_server_starts_in_the_project_and_ones_own_at_home(world) -> None:
    world.mcp_json(project={"command": "sh"})
    world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"own": {"command": "sh"}}})

    assert (spec(world, "project").cwd, spec(world, "own").cwd) == (world.project, world.home)


def test_a_program_given_as_a_path_counts_from_the_folder_that_it_starts_in(world) -> None:
    program = world.write(world.project / "bin" / "server", "#!/bin/sh\n")
    program.chmod(0o700)
    world.mcp_json(s={"command": "./server", "cwd": "bin"}, missing={"command": "./server"})

    assert Path(spec(world).command[0]).samefile(program)
    with pytest.raises(ConfigurationError, match="no command"):
        spec(world, "missing")


def test_an_argument_for_a_variable_that_the_server_sets_itself_is_left_to_it(world) -> None:
    world.mcp_json(s={"command": "sh", "args": ["Authorization:${AUTH}"], "env": {"AUTH": "Bearer x"}})

    assert spec(world).command == ("sh", "Authorization:${AUTH}")


def test_an_address_has_headers_and_transport_as_given(world) -> None:
    world.environ |= {"TOKEN": "hunter2-hunter2", "HOST": "x.example"}
    headers = {"Authorization": "Bearer ${TOKEN}"}
    world.mcp_json(s={"url": "https://u:passw0rd@${HOST}/mcp?key=${TOKEN}", "headers": headers, "type": "sse"})

    found = spec(world)

    assert found.url == "https://u:passw0rd@x.example/mcp?key=hunter2-hunter2"
    assert (dict(found.headers), found.sse) == ({"Authorization": "Bearer hunter2-hunter2"}, True)
    assert found.info.configured == "https://${HOST}/mcp"
    assert "hunter2" not in repr(found)


def test_codex_takes_headers_from_variables(world) -> None:
    world.environ |= {"MY_TOKEN": "t0ken", "X": "x"}
    text = '[mcp_servers.s]\nurl = "https://x.example"\nbearer_token_env_var = "MY_TOKEN"\n'
    world.write(world.home / ".codex/config.toml", text + 'env_http_headers = { "X-A" = "X" }\n')

    assert dict(spec(world).headers) == {"Authorization": "Bearer t0ken", "X-A": "x"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"url": "${SCHEME:-file}:///etc/passwd"}, "neither http nor https"),
        ({"url": "https://x.example", "headers": {"A": "${NOPE}"}}, "NOPE"),
        ({"url": "https://x.example", "headers": {"A": "b\r\nHost: evil"}}, "no header can hold"),
        ({"url": "https://x.example", "headers": {"A": "\x7f"}}, "no header can hold"),
        ({"url": "https://x.example/${ALLOWLY_KEY}"}, "ALLOWLY_KEY"),
        ({"url": "https://x.example", "headers": {"A": "${ALLOWLY_KEY}"}}, "ALLOWLY_KEY"),
        ({"url": "https://x.example", "env_http_headers": {"A": "ALLOWLY_KEY"}}, "not given away"),
        ({"command": "sh", "args": ["${ALLOWLY_KEY}"]}, "ALLOWLY_KEY"),
        ({"command": "sh", "cwd": "nowhere"}, "no folder"),
        ({"command": "no-such-program-anywhere"}, "no command"),
        ({"command": "sh", "env": {"PATH": "/nowhere"}}, "no command"),
        ({"command": 3}, "must hold text"),
    ],
)
def test_what_cannot_be_used_is_a_configuration_error_and_holds_no_secret(world, raw, said: str) -> None:
    """G7."""
    world.environ |= {"ALLOWLY_KEY": "the-key-itself"}
    world.mcp_json(s=raw)

    with pytest.raises(ConfigurationError, match=said) as info:
        spec(world)

    assert "the-key-itself" not in str(info.value)


def test_the_key_of_the_authority_reaches_a_started_server_as_a_variable_only(world) -> None:
    world.environ |= {"ALLOWLY_KEY": "the-key-itself"}
    world.mcp_json(s={"command": "sh", "env": {"ALLOWLY_KEY": "${ALLOWLY_KEY}"}})

    assert dict(spec(world).env) == {"ALLOWLY_KEY": "the-key-itself"}
    assert variables_taken(world.entry("s"), world.surroundings()) == ("ALLOWLY_KEY",)


def test_a_name_in_two_files_is_an_error_that_says_how_to_name_each(world) -> None:
    world.mcp_json(s={"command": "sh"})
    world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"s": {"command": "sh"}}})

    with pytest.raises(ConfigurationError, match=r"say which: \./\.mcp\.json#s, ~/\.cursor/mcp\.json#s"):
        named_entry("s", world.surroundings())


@pytest.mark.parametrize(
    ("text", "asks"), [(".mcp.json#s", True), ("./.mcp.json#s", True), ("~/.cursor/mcp.json#s", False)]
)
def test_a_file_and_a_name_mean_one_server(world, text: str, asks: bool) -> None:
    world.mcp_json(s={"command": "sh"})
    world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"s": {"command": "sh"}}})

    entry = named_entry(text, world.surroundings())

    assert entry is not None
    assert entry.asks is asks


@pytest.mark.parametrize("key", ["mcpServers", "servers", "context_servers"])
def test_any_other_file_of_such_a_form_can_be_named_and_asks(world, key: str) -> None:
    path = world.write(world.home / "mine.json", {key: {"a#b": {"command": "sh"}}})

    entry = named_entry(f"{path}#a#b", world.surroundings())

    assert entry is not None
    assert (entry.asks, entry.folder) == (True, world.home)


def test_a_link_to_ones_own_file_is_ones_own_file(world) -> None:
    own = world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"s": {"command": "sh"}}})
    (world.project / "link.json").symlink_to(own)

    entry = named_entry("link.json#s", world.surroundings())

    assert entry is not None
    assert not entry.asks


@pytest.mark.parametrize(
    ("text", "said"), [(".mcp.json#t", "no server 't'; did you mean 'tt'"), ("broken.json#s", "cannot be read")]
)
def test_a_file_that_has_no_such_server_says_so(world, text: str, said: str) -> None:
    world.mcp_json(tt={"command": "sh"})
    world.write(world.project / "broken.json", "{")

    with pytest.raises(ConfigurationError, match=said):
        named_entry(text, world.surroundings())


@pytest.mark.parametrize("text", ["nothing", "nothing#s", "#", "#s", ".mcp.json#", "a\0#s", "x" * 5000 + "#s"])
def test_what_is_no_name_means_none(world, text: str) -> None:
    world.mcp_json(s={"command": "sh"})

    assert named_entry(text, world.surroundings()) is None


@pytest.mark.parametrize("text", ["https://x.example/#s", "demo:mail", "sh", "sh -c 'x'", __file__])
def test_urls_demos_programs_and_files_come_before_names(text: str) -> None:
    assert is_command(text)


@pytest.mark.parametrize("text", ["github", ".mcp.json#sh", "my server", "'half a quote", "missing.py"])
def test_everything_else_may_be_a_name(text: str) -> None:
    assert not is_command(text)


def test_a_message_about_a_server_is_rid_of_what_its_configuration_holds(world) -> None:
    """G7."""
    world.environ |= {"TOKEN": "hunter2-hunter2"}
    url = "https://u:passw0rd@x.example/mcp?key=${TOKEN}"
    world.mcp_json(
        s={"url": url, "headers": {"Authorization": "Bearer ${TOKEN}"}},
        t={"command": "sh", "env": {"A": "${TOKEN}", "B": "1"}},
    )
    reached, started = spec(world), spec(world, "t")

    said = reached.without_secrets(
        f"401 for {reached.url}: not with Bearer hunter2-hunter2, nor hunter2-hunter2, 1 try"
    )

    assert said == "401 for https://x.example/mcp: not with <masked>, nor <masked>, 1 try"
    assert started.without_secrets("A is hunter2-hunter2 after 1 try") == "A is <masked> after 1 try"

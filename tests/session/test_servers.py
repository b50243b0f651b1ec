"""What a user types for a server, and what is made of it."""

import sys
from pathlib import Path

import pytest

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.servers import parse_server


@pytest.fixture
def server_file(tmp_path: Path) -> Path:
    path = tmp_path / "mail server.py"
    path.touch()
    return path


def test_a_python_file_is_run_with_this_python(server_file: Path) -> None:
    spec = parse_server(str(server_file))

    assert spec.command == (sys.executable, str(server_file))
    assert spec.info.name == "mail server"


def test_a_command_line_is_split_as_a_shell_would(server_file: Path) -> None:
    spec = parse_server(f"python '{server_file}' --port 1 \"a b\"")

    assert spec.command == ("python", str(server_file), "--port", "1", "a b")
    assert spec.info.name == "mail server"


def test_a_command_as_words_is_taken_as_it_is() -> None:
    spec = parse_server(["python", "a b.py", "$HOME", "*"])

    assert spec.command == ("python", "a b.py", "$HOME", "*")
    assert spec.info.configured == "python 'a b.py' '$HOME' '*'"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/mcp", "https://example.com/mcp", "http://[::1]:8000/mcp"])
def test_a_url_is_a_url(url: str) -> None:
    spec = parse_server(f" {url} ")

    assert spec.url == url
    assert spec.command == ()


def test_the_scheme_of_a_url_may_be_in_capitals() -> None:
    assert parse_server("HTTP://127.0.0.1:8000/mcp").url is not None


def test_what_is_shown_of_a_url_holds_no_credentials() -> None:
    """G7."""
    spec = parse_server("https://someone:p@ss@example.com:1/mcp?token=secret#key")

    assert spec.info.name == "example.com:1"
    assert spec.info.configured == "https://example.com:1/mcp"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "name a server", id="nothing"),
        pytest.param("   ", "name a server", id="spaces"),
        pytest.param([], "name a server", id="no words"),
        pytest.param([""], "no command", id="an empty word"),
        pytest.param("nothing-of-that-name", "no command", id="no such command"),
        pytest.param("missing.py", "no file", id="no such file"),
        pytest.param("'half a quote", "command line", id="half a quote"),
        pytest.param("demo:", "no demo server", id="a demo without a name"),
        pytest.param("demo:../x", "no demo server", id="a demo that is a path"),
        pytest.param("demo:nothing", "no demo server", id="an unknown demo"),
        pytest.param("http://", "no host", id="a URL without a host"),
        pytest.param("http://[::1", "cannot be read", id="half an address"),
        pytest.param("http://127.0.0.1:99999/", "cannot be read", id="an impossible port"),
        pytest.param("http://127.0.0.1:port/", "cannot be read", id="a port in words"),
        pytest.param("x" * 5000 + ".py", "no file", id="a name too long for any file"),
        pytest.param("a\0b.py", "no file", id="a null character"),
    ],
)
def test_what_names_no_server_is_a_configuration_error_that_says_why(text: str | list[str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        parse_server(text)


@pytest.mark.parametrize("url", ["http://user:passw0rd@", "http://user:passw0rd@[::1", "http://user:passw0rd@h:x/"])
def test_an_error_about_a_url_holds_no_credentials(url: str) -> None:
    """G7."""
    with pytest.raises(ConfigurationError) as info:
        parse_server(url)

    assert "passw0rd" not in str(info.value)


def test_a_program_whose_path_holds_a_space_is_started_as_it_is(tmp_path) -> None:
    program = tmp_path / "my server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)

    assert parse_server(str(program)).command == (str(program),)

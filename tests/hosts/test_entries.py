"""The forms in which hosts describe a server, and what is wrong with others."""

import pytest

USABLE = [
    ({"command": "c", "args": ["a"], "type": "stdio"}, "stdio"),
    ({"url": "https://x.example"}, "http"),
    ({"url": "https://x.example", "type": "streamable-http"}, "http"),
    ({"url": "https://x.example", "type": "streamableHttp"}, "http"),
    ({"url": "https://x.example", "type": "sse"}, "sse"),
    ({"serverUrl": "https://x.example"}, "http"),
    ({"command": {"path": "c", "args": ["a"], "env": {"A": "1"}}, "settings": {}}, "stdio"),
    ({"command": "c", "env": {"PORT": 80, "UNSET": None}}, "stdio"),
]

BROKEN = [
    (3, "must be an object"),
    ({}, "a command or a url"),
    ({"command": "c", "url": "https://x.example"}, "not both"),
    ({"command": 3}, "must hold text"),
    ({"command": " "}, "is empty"),
    ({"command": "c", "args": "a"}, "must be a list"),
    ({"command": "c", "args": [1]}, "must hold text"),
    ({"command": "c\0"}, "null character"),
    ({"command": "c", "args": ["x" * 20_000]}, "more than"),
    ({"command": "c", "args": ["x" * 9_000, "x" * 9_000]}, "longer than"),
    ({"command": "c", "args": ["x"] * 300}, "at most"),
    ({"command": "c", "env": {"A=B": "1"}}, "equals sign"),
    ({"command": "c", "env": {"A": True}}, "must hold text"),
    ({"command": "c", "env": ["A"]}, "must be an object"),
    ({"command": "c", "envFile": ".env"}, "envFile"),
    ({"command": "c", "type": "http"}, "does not fit"),
    ({"url": "https://x.example", "type": "stdio"}, "does not fit"),
    ({"url": "https://x.example", "type": "carrier pigeon"}, "is not known"),
    ({"url": "https://x.example", "headers": {"a b": "c"}}, "no header can have"),
    ({"source": "extension", "settings": {}}, "extension"),
    ({"settings": {"a": 1}}, "extension"),
    ({"command": "c", "env_vars": 3}, "must be a list"),
    ({"command": "c", "env_vars": [{"name": 3}]}, "must hold text"),
]


@pytest.mark.parametrize(("raw", "transport"), USABLE)
def test_every_form_is_understood(world, raw, transport: str) -> None:
    world.mcp_json(s=raw)

    entry = world.entry("s")

    assert (entry.problem, entry.transport) == ("", transport)


@pytest.mark.parametrize(("raw", "said"), BROKEN)
def test_what_is_wrong_is_said_and_the_others_stay_usable(world, raw, said: str) -> None:
    world.mcp_json(s=raw, other={"command": "c"})

    assert said in world.entry("s").problem
    assert world.entry("other").problem == ""


def test_zeds_older_form_is_brought_into_the_common_one(world) -> None:
    world.mcp_json(s={"command": {"path": "c", "args": ["a"], "env": {"A": "1"}}})

    entry = world.entry("s")

    assert (entry.command, dict(entry.env)) == (("c", "a"), {"A": "1"})


def test_gemini_means_the_older_transport_by_url(world) -> None:
    servers = {"old": {"url": "https://x.example"}, "new": {"httpUrl": "https://x.example"}}
    servers["told"] = {"url": "https://x.example", "type": "http"}
    world.write(world.home / ".gemini/settings.json", {"mcpServers": servers})

    assert [world.entry(name).transport for name in ("old", "new", "told")] == ["sse", "http", "http"]


def test_codex_hands_variables_on_by_name(world) -> None:
    text = '[mcp_servers.s]\ncommand = "c"\nenv_vars = ["A", { name = "B", source = "local" }]\n'
    world.write(world.home / ".codex/config.toml", text)

    assert world.entry("s").forwarded == ("A", "B")


@pytest.mark.parametrize("flag", [{"disabled": True}, {"enabled": False}])
def test_a_server_that_its_host_does_not_use_is_marked(world, flag) -> None:
    world.mcp_json(s={"command": "c", **flag})

    assert world.entry("s").disabled


def test_no_value_of_a_variable_or_header_is_in_the_repr(world) -> None:
    """G7."""
    world.mcp_json(
        a={"command": "c", "args": ["--key", "secret-1"], "env": {"A": "secret-2"}},
        b={"url": "https://x.example/?k=secret-3", "headers": {"A": "secret-4"}},
    )

    assert "secret" not in repr(world.find())

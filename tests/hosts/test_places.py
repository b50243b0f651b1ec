"""Which files are looked at, from where, and whose they are."""

from pathlib import Path

import pytest

SERVER = {"command": "server"}

USER_FILES = [
    ("linux", ".claude.json", "mcpServers", "Claude Code"),
    ("linux", ".config/Claude/claude_desktop_config.json", "mcpServers", "Claude Desktop"),
    ("darwin", "Library/Application Support/Claude/claude_desktop_config.json", "mcpServers", "Claude Desktop"),
    ("linux", ".cursor/mcp.json", "mcpServers", "Cursor"),
    ("linux", ".config/Code/User/mcp.json", "servers", "VS Code"),
    ("darwin", "Library/Application Support/Code/User/mcp.json", "servers", "VS Code"),
    ("linux", ".codeium/windsurf/mcp_config.json", "mcpServers", "Windsurf"),
    ("linux", ".config/zed/settings.json", "context_servers", "Zed"),
    ("darwin", ".config/zed/settings.json", "context_servers", "Zed"),
    ("linux", ".gemini/settings.json", "mcpServers", "Gemini CLI"),
]


@pytest.mark.parametrize(("platform", "file", "key", "host"), USER_FILES)
def test_every_hosts_own_file_is_found_and_needs_no_question(world, platform, file, key, host) -> None:
    world.platform = platform
    world.write(world.home / file, {key: {"s": SERVER}, "other": [1, {"more": None}]})

    entry = world.entry("s")

    assert (entry.place.host.name, entry.place.scope, entry.asks, entry.problem) == (host, "user", False, "")
    assert entry.command == ("server",)
    assert entry.folder == world.home


def test_codex_keeps_its_servers_in_toml(world) -> None:
    world.write(
        world.home / ".codex/config.toml",
        'model = "x"\n[mcp_servers.a]\ncommand = "npx"\nargs = ["-y", "pkg"]\nenabled = false\n'
        '[mcp_servers.a.env]\nTOKEN = "t"\n'
        '[mcp_servers.b]\nurl = "https://x.example/mcp"\nbearer_token_env_var = "MY_TOKEN"\n',
    )

    a, b = world.entry("a"), world.entry("b")

    assert (a.command, dict(a.env), a.disabled, a.asks) == (("npx", "-y", "pkg"), {"TOKEN": "t"}, True, False)
    assert (b.transport, dict(b.header_variables)) == ("http", {"Authorization": "MY_TOKEN"})


@pytest.mark.parametrize(
    ("file", "key"), [(".mcp.json", "mcpServers"), (".vscode/mcp.json", "servers"), (".cursor/mcp.json", "mcpServers")]
)
def test_a_projects_file_is_found_from_below_and_asks(world, file, key) -> None:
    world.write(world.project / file, {key: {"s": SERVER}})
    below = world.project / "a" / "b"
    below.mkdir(parents=True)

    (entry,) = world.find(below).of_name("s")

    assert (entry.place.scope, entry.asks, entry.folder) == ("project", True, world.project)


def test_nothing_above_the_root_of_the_repository_is_looked_at(world) -> None:
    world.write(world.project.parent / ".mcp.json", {"mcpServers": {"s": SERVER}})

    assert world.find().entries == ()


def test_without_a_repository_it_goes_up_to_the_home_folder(world) -> None:
    (world.project / ".git").rmdir()
    world.write(world.home / ".mcp.json", {"mcpServers": {"s": SERVER}})

    assert world.entry("s").asks


def test_outside_of_home_and_repository_only_the_current_folder_counts(world, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "below"
    world.write(elsewhere / ".mcp.json", {"mcpServers": {"here": SERVER}})
    world.write(elsewhere.parent / ".mcp.json", {"mcpServers": {"above": SERVER}})

    assert [entry.name for entry in world.find(elsewhere).entries] == ["here"]


def test_in_the_home_folder_the_users_own_file_is_not_a_projects(world) -> None:
    world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"s": SERVER}})

    (entry,) = world.find(world.home).entries

    assert not entry.asks


def test_a_users_file_that_others_can_change_asks(world) -> None:
    world.write(world.home / ".cursor/mcp.json", {"mcpServers": {"s": SERVER}}).chmod(0o666)

    assert world.entry("s").asks


def test_variables_move_the_files_of_those_hosts_that_heed_them(world, tmp_path: Path) -> None:
    world.environ |= {
        "XDG_CONFIG_HOME": str(tmp_path / "xdg"),
        "CLAUDE_CONFIG_DIR": str(tmp_path / "claude"),
        "CODEX_HOME": str(tmp_path / "codex"),
    }
    world.write(tmp_path / "xdg/zed/settings.json", {"context_servers": {"z": SERVER}})
    world.write(tmp_path / "claude/.claude.json", {"mcpServers": {"c": SERVER}})
    world.write(tmp_path / "codex/config.toml", '[mcp_servers.x]\ncommand = "x"\n')

    assert sorted(entry.name for entry in world.find().entries) == ["c", "x", "z"]


def test_what_claude_code_knows_for_this_project_comes_before_what_it_knows_for_all(world) -> None:
    projects = {
        str(world.project): {"mcpServers": {"s": {"command": "mine"}}, "history": ["x"]},
        "/elsewhere": {"mcpServers": {"t": SERVER}},
    }
    world.write(world.home / ".claude.json", {"mcpServers": {"s": SERVER, "u": SERVER}, "projects": projects})

    found = {entry.name: entry for entry in world.find().entries}

    assert set(found) == {"s", "u"}
    assert (found["s"].command, found["s"].folder, found["s"].asks) == (("mine",), world.project, False)


def test_a_current_folder_that_is_gone_is_no_error(world, tmp_path: Path, monkeypatch) -> None:
    from allowly_harness.hosts.places import Surroundings

    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.setenv("HOME", str(world.home))
    monkeypatch.chdir(gone)
    gone.rmdir()

    assert Surroundings.current().folder == world.home

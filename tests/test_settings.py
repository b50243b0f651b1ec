"""Where the authority and its key come from, and what is refused."""

import os
from pathlib import Path

import pytest

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.settings import ApprovalSettings, Settings, TerminalSettings, load_settings, read_key
from allowly_harness.tui.keymap import read_keymap

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "config.toml"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def key_file(tmp_path: Path, text: str = "secret-key\n", mode: int = 0o600) -> Path:
    path = tmp_path / "key"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_flag_wins_over_the_environment_and_that_over_the_file(config: Path) -> None:
    config.write_text('[authority]\nurl = "https://file.example"\n')
    environ = {"ALLOWLY_BASE_URL": "https://environment.example", "ALLOWLY_KEY": "k"}

    assert load_settings("https://flag.example", environ=environ, config=config).authority == "https://flag.example"
    assert load_settings(None, environ=environ, config=config).authority == "https://environment.example"
    assert load_settings(None, environ={}, config=config).authority == "https://file.example"


def test_nothing_is_remembered_until_it_is_said(config: Path) -> None:
    """G1."""
    config.write_text('[approval]\nremember = true\nremember_dangerous = ["mail:delete"]\n')

    assert not load_settings(None, environ={}, config=config.with_name("none")).approval.remember
    assert load_settings(None, environ={}, config=config).approval.remember
    assert load_settings(None, environ={}, config=config).approval.remember_dangerous == ("mail:delete",)


@pytest.mark.parametrize("value", ['["delete"]', '["mail:*"]', '[":delete"]', '["mail:"]', '"mail:delete"', "true"])
def test_a_dangerous_tool_is_remembered_by_its_whole_name_only(config: Path, value: str) -> None:
    config.write_text(f"[approval]\nremember_dangerous = {value}\n")

    with pytest.raises(ConfigurationError, match="SERVER:TOOL"):
        load_settings(None, environ={}, config=config)


def test_nothing_configured_is_no_error(config: Path) -> None:
    assert load_settings(None, environ={}, config=config) == Settings(None, None)


def test_a_key_comes_from_a_file_that_only_its_owner_can_read(config: Path, tmp_path: Path) -> None:
    config.write_text(f'[authority]\nkey_file = "{key_file(tmp_path)}"\n')

    assert load_settings(None, environ={}, config=config).api_key == "secret-key"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path, mode: int) -> None:
    """G7."""
    path = key_file(tmp_path, mode=mode)

    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("text", ["", " \n", "two keys", "k" * 600], ids=["empty", "blank", "two", "too long"])
def test_a_file_without_one_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigurationError, match="must hold one key"):
        read_key(key_file(tmp_path, text))


@pytest.mark.parametrize("text", ["[authority", "authority = 3", "[authority]\nurl = 3"])
def test_a_broken_file_is_refused_and_named(config: Path, text: str) -> None:
    config.write_text(text)

    with pytest.raises(ConfigurationError):
        load_settings(None, environ={}, config=config)


def test_a_key_is_not_in_the_printed_settings() -> None:
    """G7."""
    assert "secret" not in repr(Settings("https://a.example", "secret"))


def test_the_documented_example_loads_whole(config: Path, tmp_path: Path) -> None:
    key = key_file(tmp_path)
    text = EXAMPLE.read_text()
    config.write_text(text.replace("~/.local/share/allowly-harness/authority.db.key", str(key)))

    settings = load_settings(None, environ={}, config=config)

    assert settings.authority == "http://127.0.0.1:8787"
    assert settings.api_key == "secret-key"
    assert settings.approval == ApprovalSettings(("delete_*", "demo:mail:forward_all"))
    assert settings.terminal == TerminalSettings("ansi-dark", "bell", {"call": "f5"})
    assert text in (EXAMPLE.parents[1] / "configuration.md").read_text()
    read_keymap(settings.terminal.keys)


def test_it_is_said_where_the_authority_and_the_key_came_from(config: Path, tmp_path: Path) -> None:
    key = key_file(tmp_path)
    config.write_text(f'[authority]\nurl = "https://file.example"\nkey_file = "{key}"\n')

    from_file = load_settings(None, environ={}, config=config)
    from_environment = load_settings("https://flag.example", environ={"ALLOWLY_KEY": "k"}, config=config)

    assert (from_file.authority_source, from_file.key_source) == (str(config), str(key))
    assert (from_environment.authority_source, from_environment.key_source) == ("--authority", "ALLOWLY_KEY")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[terminl]\n", "no table [terminl]; did you mean 'terminal'?"),
        ("[xyz]\n", "no table [xyz]; known are authority, approval, terminal"),
        ("theme = 'x'\n", "no table [theme]"),
        ("terminal = 3\n", "[terminal] must be a table"),
        ("[terminal]\nthem = 'x'\n", "[terminal] has no setting 'them'; did you mean 'theme'?"),
        ("[terminal]\ntheme = 3\n", "[terminal] theme must be a string"),
        ("[terminal]\ntheme = ''\n", "[terminal] theme must be a string"),
        ("[terminal]\nnotify = 'loud'\n", "[terminal] notify must be one of auto, bell, desktop, off"),
        ("[terminal]\nkeys = 'a'\n", "[terminal] keys must be a table"),
        ("[terminal.keys]\ndeny = 3\n", "[terminal] keys must be a table"),
        ("[approval]\ndangerous = 'delete_*'\n", "[approval] dangerous must be a list"),
        ("[approval]\ndangerous = ['']\n", "[approval] dangerous must be a list"),
        ("[approval]\ndangerous = [3]\n", "[approval] dangerous must be a list"),
        ("[approval]\ndangerus = []\n", "did you mean 'dangerous'?"),
        ("[authority]\nkey = 'secret'\n", "[authority] has no setting 'key'; did you mean 'key_file'?"),
        ("#" * 70_000, "longer than 65536 bytes"),
    ],
)
def test_what_is_not_known_is_refused_with_the_file_the_name_and_the_nearest(
    config: Path, text: str, message: str
) -> None:
    config.write_text(text)

    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, environ={}, config=config)

    assert str(config) in str(refused.value)
    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_pipe_in_the_place_of_the_file_is_refused_and_not_waited_for(config: Path) -> None:
    os.mkfifo(config)

    with pytest.raises(ConfigurationError, match="not a regular file"):
        load_settings(None, environ={}, config=config)

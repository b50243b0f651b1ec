"""Where the authority and its key come from, and what is refused."""

from pathlib import Path

import pytest

from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.settings import Settings, load_settings, read_key


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

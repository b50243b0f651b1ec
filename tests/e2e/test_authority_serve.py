"""`allowly-harness authority serve`: the line that says it is ready, its key, and how it stops."""

import json
import signal
import stat
import sys
from pathlib import Path

import pytest

COMMAND = (str(Path(sys.executable).with_name("allowly-harness")), "authority", "serve", "--port", "0", "--db")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_cleanly(user, tmp_path: Path, stop: signal.Signals) -> None:
    with user.running(*COMMAND, str(tmp_path / "a.db")) as process:
        ready = json.loads(process.stdout.readline())
        process.send_signal(stop)
        rest, complaints = process.communicate(timeout=20)

    assert set(ready) == {"base_url", "db", "key_file"}
    assert ready["base_url"].startswith("http://127.0.0.1:")
    assert process.returncode == 0
    assert rest == ""
    assert "Traceback" not in complaints


def test_the_key_is_made_once_and_readable_for_its_owner_alone(user, tmp_path: Path) -> None:
    """G7."""
    keys = []
    for _ in range(2):
        with user.running(*COMMAND, str(tmp_path / "a.db")) as process:
            file = Path(json.loads(process.stdout.readline())["key_file"])
            keys.append(file.read_text())
            process.terminate()
            process.communicate(timeout=20)

    assert keys[0] == keys[1]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_key_from_the_environment_is_not_written_anywhere(user, tmp_path: Path) -> None:
    user.environ["ALLOWLY_KEY"] = "a-key-of-my-own-0123456789"

    with user.running(*COMMAND, str(tmp_path / "a.db")) as process:
        ready = json.loads(process.stdout.readline())

    assert ready["key_file"] is None
    assert list(tmp_path.glob("*.key")) == []


def test_it_does_not_listen_on_a_network_without_being_told_twice(user, tmp_path: Path) -> None:
    refused = user.run("authority", "serve", "--host", "0.0.0.0", "--port", "0", "--db", str(tmp_path / "a.db"))

    assert refused.returncode == 2
    assert "no TLS" in refused.stderr

"""`allowly-harness authority`: how `serve` says it is ready, keeps its key and stops, and what `grant` gives."""

import json
import signal
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from allowly_authority import AuthorityClient

COMMAND = (str(Path(sys.executable).with_name("allowly-harness")), "authority", "serve", "--port", "0", "--db")


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_listens_and_stops_cleanly(user, tmp_path: Path, stop: signal.Signals) -> None:
    with user.running(*COMMAND, str(tmp_path / "a.db")) as process:
        ready = json.loads(process.stdout.readline())
        process.send_signal(stop)
        rest, complaints = process.communicate(timeout=20)

    assert set(ready) == {"base_url", "db", "key_file", "inbox_url"}
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


def test_a_grant_decides_each_scope_as_it_says_and_denies_the_others(user, office) -> None:
    asked = {"read_mail": "allow", "send_email": "confirm", "delete_mailbox": "escalate", "forward_all": "deny"}

    granted = user.run(
        *("authority", "grant", "--user", "ada", "--days", "2", "--allow", "read_mail", "--confirm", "send_email"),
        *("--escalate", "delete_mailbox=compliance"),
    )

    assert granted.returncode == 0, granted.stderr
    authorization = json.loads(granted.stdout)
    assert set(authorization) == {"authorization_id", "expires_at"}
    left = datetime.fromisoformat(authorization["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=1) < left <= timedelta(days=2)
    results = checked(office, authorization["authorization_id"], list(asked))
    assert {name: result.decision for name, result in results.items()} == asked
    assert results["delete_mailbox"].escalation_to == "compliance"


def test_a_grant_prints_no_key(user, office) -> None:
    """G7."""
    granted = user.run("authority", "grant", "--user", "ada", "--allow", "read_mail")

    assert granted.returncode == 0
    assert office.api_key not in granted.stdout + granted.stderr


@pytest.mark.parametrize("target", ["delete_mailbox", "delete_mailbox=", "=compliance"])
def test_an_escalation_without_scope_or_approver_is_not_granted(user, office, target: str) -> None:
    refused = user.run("authority", "grant", "--user", "ada", "--escalate", target)

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "is not SCOPE=APPROVER" in refused.stderr


@pytest.mark.parametrize(
    "scopes",
    [
        (),
        ("--allow", "send_email", "--confirm", "send_email"),
        ("--escalate", "send_email=ada", "--escalate", "send_email=bob"),
    ],
    ids=["nothing-named", "named-twice", "two-approvers"],
)
def test_a_grant_of_nothing_or_of_one_scope_in_two_ways_is_refused(user, office, scopes: tuple[str, ...]) -> None:
    refused = user.run("authority", "grant", "--user", "ada", *scopes)

    assert refused.returncode == 2
    assert refused.stdout == ""
    assert "at least one scope, and none of them twice" in refused.stderr


def test_a_grant_needs_an_authority_and_its_key(user) -> None:
    nowhere = user.run("authority", "grant", "--user", "ada", "--allow", "read_mail")
    keyless = user.run(
        "authority", "grant", "--user", "ada", "--allow", "read_mail", "--authority", "http://127.0.0.1:9"
    )

    assert (nowhere.returncode, keyless.returncode) == (2, 2)
    assert "no authority is named" in nowhere.stderr
    assert "no key for the authority" in keyless.stderr


def checked(office, authorization_id: str, scopes: list[str]):
    """Ask the authority of `office` what it decides."""

    async def ask():
        async with AuthorityClient(base_url=office.base_url, api_key=office.api_key, timeout_seconds=30) as client:
            return (await client.check(authorization_id=authorization_id, scopes=scopes)).results

    return anyio.run(ask)

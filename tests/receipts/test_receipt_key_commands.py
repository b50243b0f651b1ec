"""`authority receipt-keys`, and what happens where the file of the keys is lost."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner
from standing import KEY, refused, standing

from allowly_authority import embedded_authority
from allowly_authority.receipts import ReceiptKeyFile, ReceiptKeyFileError, receipt_keys_of
from allowly_harness.cli.main import cli

pytestmark = pytest.mark.anyio

CHECK = {"authorization_id": "auth_of_nobody", "actions": ["read"]}
"""Of an unknown authorization: its receipt can be signed, and needs nothing else."""
Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed() -> Typed:
    """Type `authority receipt-keys` and more; returns the code and both outputs."""

    def run(*words: str) -> tuple[int, str, str]:
        done = CliRunner().invoke(cli, ["authority", "receipt-keys", *words], standalone_mode=False)
        assert done.exception is None or isinstance(done.exception, click.ClickException), done.exception
        return done.return_value, done.stdout, done.stderr

    return run


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A database's file of keys, made an hour before now so that it may be rotated."""
    database = tmp_path / "a.db"
    ReceiptKeyFile.open(receipt_keys_of(database), lambda: 1_600_000_000_000)
    return database


def ask(base_url: str) -> dict[str, Any]:
    """Have something decided and return the envelope of its receipt."""
    with httpx.Client(base_url=base_url, headers={"Authorization": f"Bearer {KEY}"}, trust_env=False) as http:
        decided = http.post("/v1/check", json=CHECK).raise_for_status().json()["results"]["read"]
        return http.get(f"/v1/receipts/{decided['receipt']['receipt_id']}").raise_for_status().json()


def test_the_keys_are_shown_without_their_private_halves(typed, made):
    code, out, _ = typed("show", "--db", str(made))

    document = json.loads(out)
    assert (code, len(document["keys"]), document["keys"][0]["private_half"]) == (0, 1, "kept")
    secret = json.loads(receipt_keys_of(made).read_text())["keys"][0]["private"]
    assert secret not in out


def test_a_rotation_adds_a_key_and_keeps_the_file_to_its_owner(typed, made):
    code, out, err = typed("rotate", "--db", str(made))

    first, second = json.loads(out)["keys"]
    assert code == 0
    assert first["active_until"] == second["active_from"]
    assert second["key_id"] in err
    assert stat.S_IMODE(receipt_keys_of(made).stat().st_mode) == 0o600


def test_keys_that_were_given_away_lose_their_private_halves(typed, made):
    _, out, err = typed("rotate", "--compromised", "--db", str(made))

    assert [key["private_half"] for key in json.loads(out)["keys"]] == ["destroyed", "kept"]
    assert "not to trust" in err


def test_keys_are_not_rotated_twice_at_once(typed, made):
    typed("rotate", "--db", str(made))

    code, out, err = typed("rotate", "--db", str(made))

    assert (code, out) == (2, "")
    assert "has not begun" in err


@pytest.mark.parametrize("command", ["show", "rotate"])
def test_a_file_that_is_not_there_is_not_made(typed, command, tmp_path):
    code, out, err = typed(command, "--db", str(tmp_path / "other.db"))

    assert (code, out, list(tmp_path.glob("other*"))) == (2, "", [])
    assert "there are no receipt keys" in err


def test_a_running_authority_sees_a_rotation_and_a_lost_file_is_not_replaced_without_a_word(typed, tmp_path):
    keys = receipt_keys_of(tmp_path / "a.db")
    with standing(tmp_path, "--log-format", "none") as running:
        before = ask(running.base_url)
        rotated = json.loads(typed("rotate", "--compromised", "--db", str(tmp_path / "a.db"))[1])
        after = ask(running.base_url)
    kept = keys.read_bytes()
    keys.unlink()

    lost = refused(tmp_path)
    assert not keys.exists()
    with standing(tmp_path, "--log-format", "none", "--new-receipt-keys") as running:
        renewed = ask(running.base_url)

    assert [envelope["status"] for envelope in (before, after, renewed)] == ["signed"] * 3
    assert before["receipt"]["key_id" if "key_id" in before["receipt"] else "protected"] != after["receipt"].get(
        "key_id", after["receipt"].get("protected")
    )
    assert len(rotated["keys"]) == 2
    assert (lost.returncode, lost.stdout) == (2, "")
    assert "--new-receipt-keys" in lost.stderr
    assert "Traceback" not in lost.stderr
    assert keys.read_bytes() != kept


async def test_an_embedded_authority_does_not_replace_lost_keys_either(tmp_path):
    database = tmp_path / "a.db"
    async with embedded_authority(db=database, key=KEY) as running:
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=running.base_url, headers=headers, trust_env=False) as http:
            (await http.post("/v1/check", json=CHECK)).raise_for_status()
    receipt_keys_of(database).unlink()

    with pytest.raises(ReceiptKeyFileError, match="are gone"):
        async with embedded_authority(db=database, key=KEY):
            pass

    assert not receipt_keys_of(database).exists()


async def test_keys_that_never_signed_may_be_made_anew(tmp_path):
    database = tmp_path / "a.db"
    async with embedded_authority(db=database, key=KEY):
        pass
    receipt_keys_of(database).unlink()

    async with embedded_authority(db=database, key=KEY):
        pass

    assert receipt_keys_of(database).exists()

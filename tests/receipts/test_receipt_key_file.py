"""The file of the private keys: nobody else reads it, it is written whole, and nothing damaged is believed."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from allowly_authority.receipts import ReceiptError, ReceiptKeyFile, ReceiptKeyFileError, receipt_keys_of

NOW = 1_800_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return receipt_keys_of(tmp_path / "data" / "authority.db")


def opened(path: Path) -> ReceiptKeyFile:
    return ReceiptKeyFile.open(path, lambda: NOW)


def test_a_missing_file_is_made_for_the_owner_alone_beside_the_database(path):
    ring = opened(path).ring()

    assert path.name == "authority.db.receipt-keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [name.name for name in path.parent.iterdir()] == [path.name]
    assert ring.workspace_id.startswith("ws_")
    assert ring.current.active_from_ms == NOW


def test_the_keys_are_the_same_after_a_restart(path, claims):
    before = opened(path).ring()

    after = ReceiptKeyFile.open(path, lambda: NOW + 5_000).ring()

    assert after == before
    assert after.sign(claims()) == before.sign(claims())


def test_of_several_that_make_the_file_the_first_wins_and_all_agree(path):
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: opened(path).ring(), range(8)))

    assert len({ring.current.key_id for ring in rings}) == 1
    assert len({ring.workspace_id for ring in rings}) == 1


def test_a_rotation_is_seen_by_whoever_has_the_file_open(path):
    first, second = opened(path), opened(path)
    second.ring()

    rotated = first.rotate(NOW + 1)

    assert second.ring() == rotated
    assert len(rotated.keys) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_that_was_given_away_is_no_longer_in_the_file(path):
    file = opened(path)
    private = json.loads(path.read_text())["keys"][0]["private"]

    file.rotate(NOW + 1, compromised=True)

    assert private not in path.read_text()
    assert file.ring().keys[0].private is None


def test_two_rotations_at_once_do_not_lose_a_key(path):
    file = opened(path)

    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ReceiptKeyFileError, match="another process"):
            file.rotate(NOW + 1)
    file.rotate(NOW + 1)

    with pytest.raises(ReceiptError):
        file.rotate(NOW + 2)
    assert len(file.ring().keys) == 2


def test_a_rotation_that_cannot_be_written_leaves_the_keys_as_they_were(path, monkeypatch):
    file = opened(path)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReceiptKeyFileError, match="cannot be written"):
        file.rotate(NOW + 1)

    assert path.read_bytes() == before
    assert [name.name for name in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_file_that_others_may_read_is_refused(path, mode):
    opened(path)
    path.chmod(mode)

    with pytest.raises(ReceiptKeyFileError, match="chmod 600"):
        opened(path)


def test_a_file_that_others_may_read_by_now_is_refused_while_running(path):
    file = opened(path)
    path.chmod(0o644)

    with pytest.raises(ReceiptKeyFileError, match="chmod 600"):
        file.ring()


def test_a_link_a_folder_and_a_pipe_are_refused(path, tmp_path):
    opened(path)
    link, folder, pipe = (tmp_path / name for name in ("link", "folder", "pipe"))
    link.symlink_to(path)
    folder.mkdir(mode=0o700)
    os.mkfifo(pipe, 0o600)

    for wrong in (link, folder, pipe):
        with pytest.raises(ReceiptKeyFileError):
            opened(wrong)


def test_a_file_that_is_gone_is_not_made_anew_while_running(path):
    file = opened(path)
    path.unlink()

    with pytest.raises(ReceiptKeyFileError, match="cannot be read"):
        file.ring()
    with pytest.raises(ReceiptKeyFileError, match="cannot be read"):
        file.rotate(NOW + 1)
    assert not path.exists()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ReceiptKeyFileError, match="cannot be written"):
        opened(tmp_path / "file" / "keys")


def changed(path: Path, **members: Any) -> bytes:
    return json.dumps(json.loads(path.read_text()) | members).encode()


def key_changed(path: Path, **members: Any) -> bytes:
    (key,) = json.loads(path.read_text())["keys"]
    return changed(path, keys=[key | members])


DAMAGE: dict[str, Any] = {
    "empty": lambda path: b"",
    "not JSON": lambda path: b"{",
    "not UTF-8": lambda path: b"\xff\xfe",
    "cut": lambda path: path.read_bytes()[:-20],
    "a list": lambda path: b"[]",
    "a number": lambda path: b"5",
    "null": lambda path: b"null",
    "too long": lambda path: b" " * 600_000 + path.read_bytes(),
    "too deep": lambda path: b"[" * 10_000,
    "another format": lambda path: changed(path, format="allowly-receipt-keys.v2"),
    "more": lambda path: changed(path, more=1),
    "no keys": lambda path: changed(path, keys=[]),
    "keys that are an object": lambda path: changed(path, keys={"a": 1}),
    "keys that are numbers": lambda path: changed(path, keys=[1]),
    "the same key twice": lambda path: changed(path, keys=json.loads(path.read_text())["keys"] * 2),
    "no workspace": lambda path: changed(path, workspace_id=""),
    "a workspace that is a path": lambda path: changed(path, workspace_id="../x"),
    "a number as workspace": lambda path: changed(path, workspace_id=5),
    "a name twice": lambda path: path.read_bytes().replace(b'"format"', b'"format": "x", "format"', 1),
    "no private half": lambda path: key_changed(path, private=None),
    "a private half of another key": lambda path: key_changed(path, private="A" * 43),
    "a private half that is too short": lambda path: key_changed(path, private="AAAA"),
    "a private half with padding": lambda path: key_changed(path, private="A" * 43 + "="),
    "a private half that is a number": lambda path: key_changed(path, private=5),
    "a public half of other letters": lambda path: key_changed(path, public="+" * 43),
    "a time that is a text": lambda path: key_changed(path, active_from_ms="now"),
    "a time that is a truth": lambda path: key_changed(path, active_from_ms=True),
    "a time after 9999": lambda path: key_changed(path, active_from_ms=10**18),
    "a last key that ends": lambda path: key_changed(path, active_until_ms=NOW + 1),
    "a key with more": lambda path: key_changed(path, more=1),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_is_refused_in_a_sentence_without_keys(path, damage):
    file = opened(path)
    private = json.loads(path.read_text())["keys"][0]["private"]
    path.write_bytes(damage(path))

    with pytest.raises(ReceiptKeyFileError, match="damaged") as refused:
        file.ring()

    assert private not in str(refused.value)
    assert refused.value.__context__ is None

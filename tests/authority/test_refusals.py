"""Everything that an authority refuses to start on: one sentence that names it and what helps, and nothing changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from certificates import Issuer

from allowly_authority.standing import serve
from allowly_authority.store.schema import SCHEMA_VERSION, StoreError
from allowly_authority.store.sqlite import SqliteDatabase
from allowly_authority.web.tls import TlsFiles
from allowly_authority.workspace import key_file_of, open_workspace

SOMEBODY = 12345
"""A user that is neither root nor who runs the tests."""

takes_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to somebody else takes root")


def started(folder: Path) -> Path:
    """Return a database of ours, with its key file."""
    db = folder / "data" / "a.db"
    open_workspace(db).database.close()
    return db


def writable(db: Path) -> None:
    db.chmod(0o666)


def link(db: Path) -> None:
    db.rename(db.with_name("real.db"))
    db.symlink_to(db.with_name("real.db"))


def linked_log(db: Path) -> None:
    db.with_name("a.db-wal").unlink(missing_ok=True)
    db.with_name("a.db-wal").symlink_to(db)


def open_folder(db: Path) -> None:
    db.parent.chmod(0o777)


def folder_behind_a_link_of_somebody(db: Path) -> None:
    real = db.parent.rename(db.parent.with_name("real"))
    db.parent.symlink_to(real)
    os.chown(db.parent, SOMEBODY, SOMEBODY, follow_symlinks=False)


def newer(db: Path) -> None:
    with sqlite3.connect(db) as raw:
        raw.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    raw.close()


def foreign(db: Path) -> None:
    with sqlite3.connect(db) as raw:
        raw.execute("PRAGMA application_id = 7")
    raw.close()


def damaged(db: Path) -> None:
    content = bytearray(db.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    db.write_bytes(content)


def no_database_at_all(db: Path) -> None:
    db.write_bytes(b"this is no database, whatever its name says" * 200)


def gone(db: Path) -> None:
    for name in ("a.db", "a.db-wal", "a.db-shm"):
        db.with_name(name).unlink(missing_ok=True)


def readable_key(db: Path) -> None:
    key_file_of(db).chmod(0o640)


def linked_key(db: Path) -> None:
    key_file_of(db).rename(db.with_name("real.key"))
    key_file_of(db).symlink_to(db.with_name("real.key"))


def key_of_somebody(db: Path) -> None:
    os.chown(key_file_of(db), SOMEBODY, SOMEBODY)


def empty_key(db: Path) -> None:
    key_file_of(db).write_text("")


def piped_key(db: Path) -> None:
    key_file_of(db).unlink()
    os.mkfifo(key_file_of(db), 0o600)


def it_started(_: object) -> None:
    """Fail, rather than to serve until somebody stops it."""
    pytest.fail("it was not refused")


REFUSALS = [
    (writable, "Others may write the database"),
    (link, "is a link, which whoever owns its folder can turn elsewhere"),
    (linked_log, "a.db-wal is a link"),
    (open_folder, "Everybody may replace files in the folder"),
    pytest.param(folder_behind_a_link_of_somebody, "is a link of another user", marks=takes_root),
    (newer, f"has schema version {SCHEMA_VERSION + 1}"),
    (foreign, "is a database of another program"),
    (damaged, "damaged|malformed"),
    (no_database_at_all, "file is not a database"),
    (gone, "its database is gone"),
    (readable_key, "Others may read the key file"),
    (linked_key, "a.db.key is a link"),
    pytest.param(key_of_somebody, "belongs to another user", marks=takes_root),
    (empty_key, "holds no usable key"),
    (piped_key, "is not a regular file"),
]


@pytest.mark.parametrize(("break_it", "sentence"), REFUSALS)
def test_what_cannot_be_trusted_is_refused_with_a_sentence_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, break_it: Callable[[Path], None], sentence: str
) -> None:
    """G10: starting empty, or on what somebody else can change, would open what was denied."""
    monkeypatch.delenv("ALLOWLY_KEY", raising=False)
    db = started(tmp_path)
    break_it(db)
    before = contents(db.parent)

    with pytest.raises(StoreError, match=sentence) as refused:
        serve(port=0, db=db, on_ready=it_started)

    text = str(refused.value)
    assert "\n" not in text
    assert text.endswith((".", str(db), str(db.parent), str(key_file_of(db))))
    assert contents(db.parent) == before


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return what the files of a folder hold that a start could change."""
    kept = [path for path in folder.iterdir() if not path.name.endswith("-shm")]
    return {path.name: path.read_bytes() if path.is_file() and path.exists() else None for path in kept}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com"])
def test_listening_where_others_could_read_along_is_refused_at_once(tmp_path: Path, host: str) -> None:
    with pytest.raises(ValueError, match="there is no TLS"):
        serve(host, 0, tmp_path / "a.db", on_ready=it_started)

    assert list(tmp_path.iterdir()) == []


def test_an_unusable_certificate_is_refused_before_the_database_is_opened(tmp_path: Path) -> None:
    pair = Issuer(tmp_path).issue("localhost")
    pair.key.chmod(0o644)

    with pytest.raises(ValueError, match="chmod 600"):
        serve("0.0.0.0", 0, tmp_path / "a.db", tls=TlsFiles(pair.certificate, pair.key), on_ready=it_started)

    assert not (tmp_path / "a.db").exists()


def test_a_socket_in_a_folder_of_others_is_refused_and_the_database_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    db = tmp_path / "own" / "a.db"

    with pytest.raises(ValueError, match="Others may put a socket"):
        serve(port=0, db=db, uds=tmp_path / "a.sock", on_ready=it_started)

    SqliteDatabase.open(db).close()
    assert not (tmp_path / "a.sock").exists()

"""A server whose disk or database fails under it: it refuses, says so, and goes on when the fault is over."""

from __future__ import annotations

import json
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from allowly_authority import AuthorityClient, AuthorityUnavailable
from allowly_authority.store.location import DatabaseUrl

pytestmark = pytest.mark.anyio

COMMAND = (str(Path(sys.executable).with_name("allowly-harness")), "authority")


def connect(server, key) -> AuthorityClient:
    return AuthorityClient(base_url=server.base_url, api_key=key, check_timeout_seconds=20.0, timeout_seconds=20.0)


async def ask(client: AuthorityClient, authorization_id: str, scope: str = "send", **options):
    reply = await client.check(authorization_id=authorization_id, scopes=[scope], **options)
    return reply.results[scope]


async def test_a_disk_without_room_approves_nothing_until_there_is_room_again(
    start_server, workspace_key, tmp_path, grant_on
):
    """G10. A limit on the size of files is what a full disk is to a process."""
    server = start_server()
    async with connect(server, workspace_key) as client:
        authorization_id = await grant_on(client)
        prompt = await ask(client, authorization_id)
        size = (tmp_path / "served.db-wal").stat().st_size
        limits = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size, limits[1]))

        with pytest.raises(AuthorityUnavailable):
            await client.settle_confirmation(prompt.confirm_nonce, approved=True)
        with pytest.raises(AuthorityUnavailable):
            await ask(client, authorization_id, "read")
        during = (await client.lookup_prompt(nonce=prompt.confirm_nonce)).status

        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)
        settled = await client.settle_confirmation(prompt.confirm_nonce, approved=True)
        used = await ask(client, authorization_id)

    assert during == "pending"
    assert (settled.decision, used.decision) == ("approved", "allow")


@pytest.mark.parametrize("damage", ["writable for others", "link", "newer"])
async def test_the_command_refuses_a_file_that_cannot_be_trusted_in_one_sentence(tmp_path, damage, workspace_key):
    db = tmp_path / "a.db"
    environment = {**os.environ, "ALLOWLY_KEY": workspace_key}
    made = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this test
        [*COMMAND, "backup", "--db", str(db), str(tmp_path / "b.db")], capture_output=True, text=True, check=False
    )
    assert (made.returncode, made.stderr) == (2, f"allowly-harness: There is no database {db}.\n")
    from allowly_authority.store.sqlite import SqliteDatabase

    SqliteDatabase.open(db).close()
    if damage == "writable for others":
        db.chmod(0o666)
    elif damage == "link":
        db.rename(tmp_path / "real.db")
        db.symlink_to(tmp_path / "real.db")
    else:
        import sqlite3

        with sqlite3.connect(db) as newer:
            newer.execute("PRAGMA user_version = 99")
        newer.close()

    for arguments in (["serve", "--port", "0"], ["backup", str(tmp_path / "b.db")]):
        refused = subprocess.run(  # noqa: ASYNC221 - as above
            [*COMMAND, *arguments, "--db", str(db)],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=30,
        )
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.count("\n") == 1
        assert str(db) in refused.stderr
    assert not (tmp_path / "b.db").exists()


async def test_the_command_copies_a_database_that_is_being_served(start_server, workspace_key, tmp_path, grant_on):
    server = start_server()
    async with connect(server, workspace_key) as client:
        authorization_id = await grant_on(client)
        made = subprocess.run(  # noqa: ASYNC221 - the server is another process
            [*COMMAND, "backup", "--db", str(tmp_path / "served.db"), str(tmp_path / "copy.db")],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    server.stop()
    copy = start_server(db=tmp_path / "copy.db")
    async with connect(copy, workspace_key) as client:
        decision = (await ask(client, authorization_id, "read")).decision

    assert json.loads(made.stdout) == {"db": str(tmp_path / "served.db"), "backup": str(tmp_path / "copy.db")}
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert decision == "allow"


# ---- the command, and a database on a server


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ALLOWLY_", "PG"))}
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, env=clean | environment, check=False, timeout=30
    )


async def test_the_command_serves_a_database_on_a_server(postgres_url: DatabaseUrl, workspace_key, grant_on):
    process = subprocess.Popen(  # noqa: ASYNC220 - read from and stopped below
        [*COMMAND, "serve", "--port", "0", "--database", postgres_url.text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ALLOWLY_KEY": workspace_key},
    )
    assert process.stdout is not None
    where = json.loads(process.stdout.readline())
    async with AuthorityClient(base_url=where["base_url"], api_key=workspace_key, check_timeout_seconds=20) as client:
        decision = (await ask(client, await grant_on(client), "read")).decision
    process.terminate()
    _, said = process.communicate(timeout=20)

    assert decision == "allow"
    assert process.returncode == 0
    assert where["db"] == str(postgres_url)
    assert where["key_file"] is None
    assert "Traceback" not in said


def test_a_password_on_the_command_line_is_refused_and_not_repeated():
    """G7."""
    refused = command("serve", "--database", "postgresql://u:canary@h/x")

    assert refused.returncode == 2
    assert "PGPASSWORD" in refused.stderr
    assert "canary" not in refused.stderr + refused.stdout


def test_the_url_of_the_environment_is_used_and_its_password_not_shown():
    """G7."""
    refused = command("serve", ALLOWLY_DATABASE="postgresql://u:canary@127.0.0.1:1/x", ALLOWLY_KEY="k" * 40)

    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == ("allowly-harness: postgresql://127.0.0.1:1/x cannot be used: nothing listens there.\n")


def test_a_file_and_a_server_at_once_are_too_many():
    refused = command("serve", "--db", "a.db", "--database", "postgresql://h/x")

    assert refused.returncode == 2
    assert "give one of them" in refused.stderr


def test_a_database_on_a_server_is_copied_by_its_own_program():
    refused = command("backup", "b.db", "--database", "postgresql://h/x")

    assert refused.returncode == 2
    assert "pg_dump" in refused.stderr


async def test_a_server_process_loads_what_belongs_to_its_own_database_only(tmp_path, postgres_url, workspace_key):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "import allowly_authority.standing\n"
        "from allowly_authority.store.location import parse_database_url\n"
        "from allowly_authority.store import queries\n"
        "from allowly_authority.workspace import open_workspace\n"
        "where = sys.argv[1]\n"
        "open_workspace(parse_database_url(where) if '://' in where else Path(where), 'k' * 40).database.close()\n"
        "queries.FIND_PROMPT.form(sys.argv[2])\n"
        "print(sorted({name for name in sys.modules if name in "
        "('psycopg', 'sqlalchemy.dialects.postgresql', 'sqlalchemy.dialects.sqlite', 'sqlalchemy.orm')}))\n"
    )
    loaded = []
    for where, engine in ((str(tmp_path / "a.db"), "sqlite"), (postgres_url.text, "postgresql")):
        done = subprocess.run(  # noqa: ASYNC221 - nothing else runs in this test
            [sys.executable, "-c", script, where, engine], capture_output=True, text=True, check=False, timeout=30
        )
        loaded.append(done.stdout.strip() or done.stderr)

    assert loaded == ["['sqlalchemy.dialects.sqlite']", "['psycopg', 'sqlalchemy.dialects.postgresql']"]

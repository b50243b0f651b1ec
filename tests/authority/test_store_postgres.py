"""What only a database on a server can suffer: wrong doors, other tenants, restarts and silence."""

from __future__ import annotations

import logging
import re
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import anyio
import psycopg
import pytest
from postgres_cluster import PASSWORD
from psycopg import sql

from allowly_authority import AuthorityClient, PromptGone, embedded_authority
from allowly_authority.service.problems import ApiProblem
from allowly_authority.store import postgres as module
from allowly_authority.store import postgres_server
from allowly_authority.store.location import parse_database_url
from allowly_authority.store.port import Connection
from allowly_authority.store.postgres import PostgresDatabase
from allowly_authority.store.records import insert_receipt, latest_time
from allowly_authority.store.schema import (
    APPLICATION_ID,
    SCHEMA_VERSION,
    StoreBusy,
    StoreError,
    StoreRaced,
    StoreUncertain,
    migrations_from,
)
from allowly_authority.workspace import open_workspace

pytestmark = pytest.mark.anyio


def receipt(number: int):
    def change(connection: Connection) -> int:
        insert_receipt(
            connection,
            receipt_id=f"rcp_{number}",
            event="check",
            decision="allow",
            authorization_id="a",
            now_ms=number,
        )
        return number

    return change


def told(error: BaseException) -> str:
    """All that a traceback with local variables shows, the frames of these tests left out."""
    trace: traceback.TracebackException | None = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts = []
    while trace is not None:
        parts.append(str(trace))
        for frame in trace.stack:
            if "/tests/" not in frame.filename:
                parts += [f"{name}={value}" for name, value in (frame.locals or {}).items()]
        trace = trace.__cause__ or trace.__context__
    return "\n".join(parts)


@pytest.fixture
def link(postgres_url):
    with psycopg.connect(postgres_url.text, autocommit=True) as opened:
        yield opened


@pytest.fixture
def database(postgres_url):
    opened = PostgresDatabase.open(postgres_url)
    yield opened
    opened.close()


async def test_tables_are_made_once_however_many_start_at_once(postgres_url, link):
    opened: list[PostgresDatabase] = []

    async def start() -> None:
        opened.append(await anyio.to_thread.run_sync(PostgresDatabase.open, postgres_url))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(start)
    for database in opened:
        database.close()

    assert link.execute("SELECT version FROM allowly_schema").fetchall() == [(SCHEMA_VERSION,)]


async def test_a_database_of_the_first_version_is_migrated_and_keeps_what_it_held(postgres_url, link):
    every = migrations_from(0, "postgresql")
    for statement in every[: len(every) - len(migrations_from(1, "postgresql"))]:
        link.execute(statement)
    link.execute("CREATE TABLE allowly_schema (application BIGINT PRIMARY KEY, version BIGINT NOT NULL)")
    link.execute("INSERT INTO allowly_schema VALUES (%s, 1)", (APPLICATION_ID,))
    link.execute(
        "INSERT INTO receipts (receipt_id, issued_ms, event, decision, authorization_id) "
        "VALUES ('rcp_7', 7, 'check', 'allow', 'auth_7')"
    )

    database = PostgresDatabase.open(postgres_url)
    kept = await database.read(latest_time)
    database.close()

    assert kept == 7
    assert link.execute("SELECT to_regclass('prompts_by_expiry')").fetchone() != (None,)
    assert link.execute("SELECT version FROM allowly_schema").fetchall() == [(SCHEMA_VERSION,)]


async def test_a_newer_database_is_refused(postgres_url, link):
    PostgresDatabase.open(postgres_url).close()
    link.execute("UPDATE allowly_schema SET version = 99")

    with pytest.raises(StoreError, match="schema version 99"):
        PostgresDatabase.open(postgres_url)


@pytest.mark.parametrize("table", ["prompts", "receipts", "allowly_schema"])
async def test_tables_of_another_program_are_left_alone(postgres_url, link, table):
    link.execute(sql.SQL("CREATE TABLE {} (application BIGINT, version BIGINT)").format(sql.Identifier(table)))

    with pytest.raises(StoreError, match="another program"):
        PostgresDatabase.open(postgres_url)

    tables = link.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace").fetchall()
    assert tables == [(table,)]


async def test_a_database_that_cannot_hold_every_character_is_refused(postgres, postgres_url, link):
    link.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match="encoding LATIN1"):
            PostgresDatabase.open(parse_database_url(postgres.url("latin")))
    finally:
        postgres.drop("latin")


async def test_a_database_that_can_only_be_read_is_refused(postgres, postgres_url, link):
    name = postgres_url.text.partition("@/")[2].partition("?")[0]
    link.execute(sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on").format(sql.Identifier(name)))

    with pytest.raises(StoreError, match="can be read only"):
        PostgresDatabase.open(postgres_url)


@pytest.mark.parametrize("wrong", ["nowhere", "database", "password", "no password"])
async def test_why_a_database_cannot_be_used_is_said_without_its_secrets(postgres, wrong, caplog):
    """G7."""
    caplog.set_level(logging.DEBUG)
    text = {
        "nowhere": f"postgresql://u:{quote(PASSWORD, safe='')}@127.0.0.1:1/x",
        "database": postgres.url("missing"),
        "password": postgres.url("postgres", user="guarded", password=f"{PASSWORD}-wrong"),
        "no password": postgres.url("postgres", user="guarded"),
    }[wrong]
    url = parse_database_url(text)

    with pytest.raises(StoreError) as refused:
        PostgresDatabase.open(url)

    shown = told(refused.value) + repr(url) + caplog.text
    expected = {
        "nowhere": "nothing listens there",
        "database": "no such user or database",
        "password": "the user or the password is wrong",
        "no password": "it wants a password",
    }
    assert expected[wrong] in str(refused.value)
    for secret in ("canary", "0123456789", "%23"):
        assert secret not in shown


async def test_the_right_password_opens(postgres, postgres_url):
    name = postgres_url.text.partition("@/")[2].partition("?")[0]
    url = parse_database_url(postgres.url(name, user="guarded", password=PASSWORD))

    PostgresDatabase.open(url).close()

    assert url.has_password
    assert str(url) == f"postgresql:///{name}"


@pytest.mark.parametrize(
    "text",
    [
        "mysql://u@h/x",
        "postgresql:u@h/x",
        "postgresql://u:123/secret@h/x",
        "postgresql://u:1?secret@h/x",
        "postgresql://u:pa#secret@h/x",
        "postgresql://u:secret@h:port/x",
        "postgresql://[secret/x",
        "postgresql://u@h/x\nsecret",
        "postgresql://u@h/" + "secret" * 1000,
    ],
)
async def test_what_is_no_url_of_a_database_is_refused_without_being_shown(text):
    with pytest.raises(ValueError, match="postgresql://USER@HOST:PORT/NAME") as refused:
        parse_database_url(text)

    assert "secret" not in str(refused.value)


async def test_options_that_libpq_does_not_know_are_refused_without_being_shown():
    with pytest.raises(StoreError) as refused:
        PostgresDatabase.open(parse_database_url("postgresql://h/x?pasword=secret"))

    assert "secret" not in told(refused.value)


async def test_the_key_of_a_shared_database_must_be_given(postgres_url, monkeypatch):
    monkeypatch.delenv("ALLOWLY_KEY", raising=False)

    with pytest.raises(StoreError, match="ALLOWLY_KEY"):
        open_workspace(postgres_url)


async def test_a_row_that_another_change_holds_ends_as_busy(postgres_url, link, monkeypatch):
    monkeypatch.setattr(postgres_server, "_SESSION", "-c lock_timeout=50ms")
    database = PostgresDatabase.open(postgres_url)
    link.execute("BEGIN")
    link.execute("LOCK TABLE receipts")

    with anyio.fail_after(20), pytest.raises(StoreBusy):
        await database.apply(receipt(1))

    link.execute("ROLLBACK")
    assert await database.apply(receipt(2)) == 2
    assert await database.read(latest_time) == 2
    database.close()


async def test_a_connection_that_died_while_it_idled_is_replaced_and_nobody_notices(database, link):
    await database.apply(receipt(1))
    link.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'allowly-authority'")

    assert await database.apply(receipt(2)) == 2
    assert await database.read(latest_time) == 2


async def test_a_server_that_is_gone_fails_closed_and_is_used_again_when_it_is_back(postgres, postgres_url):
    database = PostgresDatabase.open(postgres_url)
    await database.apply(receipt(1))
    postgres.stop()
    try:
        with anyio.fail_after(20):
            for ask in (lambda: database.apply(receipt(2)), lambda: database.read(latest_time)):
                with pytest.raises(StoreError, match="cannot be used"):
                    await ask()
    finally:
        postgres.start()

    assert await database.read(latest_time) == 1
    assert await database.apply(receipt(3)) == 3
    database.close()


async def test_a_connection_that_is_lost_at_the_commit_is_told_as_uncertain(postgres_url, link):
    database = PostgresDatabase.open(postgres_url)
    link.execute("""
        CREATE FUNCTION fall() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); RETURN NULL; END $$
    """)
    link.execute("""
        CREATE CONSTRAINT TRIGGER falling AFTER INSERT ON receipts DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION fall()
    """)

    with anyio.fail_after(10), pytest.raises(StoreUncertain):
        await database.apply(receipt(1))

    assert await database.read(latest_time) == 0
    database.close()


async def test_a_change_that_met_another_is_made_again_and_not_for_ever(database, monkeypatch):
    tries = []

    def raced(connection: Connection) -> int:
        tries.append(latest_time(connection))
        if len(tries) < 3:
            raise StoreRaced("somebody was quicker")
        return receipt(len(tries))(connection)

    assert await database.apply(raced) == 3

    def hopeless(connection: Connection) -> None:
        tries.append(0)
        raise StoreRaced("somebody was quicker")

    tries.clear()
    with pytest.raises(StoreBusy):
        await database.apply(hopeless)
    assert len(tries) == module.MAX_TRIES


async def test_what_the_caller_refuses_is_handed_on_as_it_is(database):
    def refusing(connection: Connection) -> None:
        receipt(1)(connection)
        raise ApiProblem(410, "gone", "This confirmation cannot be answered.")

    with pytest.raises(ApiProblem):
        await database.apply(refusing)
    assert await database.read(latest_time) == 0


async def test_changes_that_take_turns_never_overlap(database):
    inside: list[int] = []
    most: list[int] = []

    def counted(connection: Connection) -> None:
        connection.take_turns(b"the same name")
        latest_time(connection)
        inside.append(1)
        most.append(len(inside))
        latest_time(connection)
        inside.pop()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(database.apply, counted)

    assert set(most) == {1}


async def test_more_changes_than_connections_wait_no_longer_than_the_limit(postgres_url, link, monkeypatch):
    monkeypatch.setattr(module, "QUEUE_LIMIT_SECONDS", 0.0)
    monkeypatch.setattr(module, "CONNECTIONS", 1)
    database = PostgresDatabase.open(postgres_url)
    outcomes: list[object] = []

    async def write(number: int) -> None:
        try:
            outcomes.append(await database.apply(receipt(number)))
        except StoreBusy:
            outcomes.append("busy")

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for number in range(1, 6):
                tasks.start_soon(write, number)

    assert outcomes == ["busy"] * 5
    database.close()


async def test_the_statement_of_the_page_for_a_restored_dump_cancels_what_was_open(postgres_url, link, workspace_key):
    """I11."""
    page = (Path(__file__).parents[2] / "docs" / "authority.md").read_text()
    (statement,) = re.findall(r"^UPDATE prompts SET.*;$", page, re.MULTILINE)
    async with (
        embedded_authority(db=postgres_url, key=workspace_key) as running,
        AuthorityClient(base_url=running.base_url, api_key=workspace_key, check_timeout_seconds=10) as client,
    ):
        created = await client.create_authorization(
            user_id="usr_7",
            agent_id="mail-bot",
            scopes=["send"],
            expires_at=datetime.now(UTC) + timedelta(days=1),
            requires_confirm_for=["send"],
        )

        async def send():
            reply = await client.check(authorization_id=created.authorization_id, scopes=["send"])
            return reply.results["send"]

        approved, pending = await send(), await send()
        await client.settle_confirmation(approved.confirm_nonce, approved=True, ttl_seconds=300)
        assert (await send()).decision == "allow"

        link.execute(statement)

        assert (await send()).decision == "confirm"
        with pytest.raises(PromptGone):
            await client.settle_confirmation(pending.confirm_nonce, approved=True)


async def test_after_closing_nothing_is_begun(database):
    database.close()

    with pytest.raises(StoreBusy, match="stopping"):
        await database.apply(receipt(1))

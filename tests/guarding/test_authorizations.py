"""The authorizations that a guard asks with, at a real authority: made once, kept, never made anew where revoked."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.errors import AuthorityError
from allowly_harness.guarding.authorizations import Authorizations, Question
from allowly_harness.guarding.kept import Kept, file_for
from allowly_harness.protocol.errors import ConfigurationError

pytestmark = pytest.mark.anyio

CONFIRM, ESCALATE = Question("write_file"), Question("write_file", "compliance")


@pytest.fixture
async def authority(tmp_path: Path) -> AsyncIterator[AuthorityClient]:
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as client,
    ):
        yield client


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return file_for(tmp_path / "guards", authority="embedded", server="npx files", user="ada")


def of(authority: Any, path: Path) -> Authorizations:
    return Authorizations(authority, Kept(path), user="ada", agent="guard:files", about="npx files")


async def decided(authority: AuthorityClient, authorization_id: str, scope: str) -> Any:
    reply = await authority.check(
        authorization_id=authorization_id, scopes=[scope], resource="mcp:x#sha256:" + "0" * 64
    )
    return reply.results[scope]


async def test_what_the_policy_asks_the_authority_asks_for_this_tool_alone(
    authority: AuthorityClient, path: Path
) -> None:
    authorizations = of(authority, path)

    confirm = await decided(authority, await authorizations.id_for(CONFIRM), "write_file")
    escalate = await decided(authority, await authorizations.id_for(ESCALATE), "write_file")
    other = await decided(authority, await authorizations.id_for(CONFIRM), "read_file")

    assert (confirm.decision, escalate.decision, other.decision) == ("confirm", "escalate", "deny")
    assert escalate.escalation_to == "compliance"


async def test_the_next_run_asks_with_the_same_authorization(authority: AuthorityClient, path: Path) -> None:
    first = await of(authority, path).id_for(ESCALATE)

    again = await of(authority, path).id_for(ESCALATE)

    assert again == first
    assert stat.S_IMODE((await anyio.Path(path).stat()).st_mode) == 0o600


async def test_a_revoked_authorization_is_not_made_anew(authority: AuthorityClient, path: Path) -> None:
    """G5: an operator's no is final."""
    revoked = await of(authority, path).id_for(CONFIRM)
    await authority.revoke_authorization(revoked)

    again = await of(authority, path).id_for(CONFIRM)

    assert again == revoked
    assert (await decided(authority, again, "write_file")).decision == "deny"


async def test_calls_at_the_same_time_and_guards_at_the_same_time_ask_with_one_authorization(
    authority: AuthorityClient, path: Path
) -> None:
    """G3: two questions about one call would be two approvals."""
    guards, found = [of(authority, path), of(authority, path)], []

    async def find(guard: Authorizations) -> None:
        found.append(await guard.id_for(CONFIRM))

    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            for guard in guards * 4:
                group.start_soon(find, guard)
    found.append(await of(authority, path).id_for(CONFIRM))

    assert len(found) == 9
    assert len(set(found)) == 1


async def test_one_that_ends_soon_is_followed_by_a_new_one(authority: AuthorityClient, path: Path) -> None:
    kept = Kept(path)
    kept.keep(CONFIRM.key, "auth_old", datetime.now(UTC) + timedelta(hours=30), timedelta())

    found = await of(authority, path).id_for(CONFIRM)

    assert found != "auth_old"
    assert (await decided(authority, found, "write_file")).decision == "confirm"


async def test_an_authority_that_is_down_gives_no_authorization(path: Path) -> None:
    """G10."""
    async with AuthorityClient(base_url="http://127.0.0.1:1", api_key="k" * 20) as down:
        with pytest.raises(AuthorityError):
            await of(down, path).id_for(CONFIRM)

    assert not await anyio.Path(path).exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"version": 2, "authorizations": {}}', '{"version": 1}', "\x00"])
def test_a_damaged_file_is_refused_and_left_as_it_is(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_text(text)

    with pytest.raises(ConfigurationError, match="damaged"):
        Kept(path)

    assert path.read_text() == text


@pytest.mark.parametrize("entry", [None, 1, {}, {"id": 1, "expires_at": "x"}, {"id": "a", "expires_at": "2000-01-01"}])
def test_an_entry_that_cannot_be_read_counts_as_none(path: Path, entry: Any) -> None:
    kept = Kept(path)
    kept._entries["x"] = entry

    assert kept.find("x", not_before=datetime.now(UTC)) is None


def test_a_symbolic_link_in_the_place_of_the_file_is_refused(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir()
    path.symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(ConfigurationError, match="cannot be read"):
        Kept(path)


def test_no_two_questions_are_kept_under_one_key() -> None:
    questions = [
        Question("a b"),
        Question("b", "a"),
        Question("1 a b"),
        Question("c", "a b"),
        Question("b c", "a"),
        Question("escalate 1 a b"),
    ]

    assert len({question.key for question in questions}) == len(questions)

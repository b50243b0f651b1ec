"""`allowly-harness grants`: what is listed, what is explained, what is taken back, and the codes it exits with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from allowly_harness.cli.main import cli
from allowly_harness.grants import Binding, Ends, GrantStore, Rule
from allowly_harness.locations import grants_file
from allowly_harness.protocol.models import ToolCall

BOUND = Binding("mail", "python mail.py", "send", "definition", "authority", "auth-1", "ada")
CALL = ToolCall("mail", "send", {"to": "ada@example.com", "body": "hello"})


@pytest.fixture(autouse=True)
def a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))


@pytest.fixture
def store() -> Iterator[GrantStore]:
    with GrantStore(grants_file()) as opened:
        yield opened


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["grants", *words], standalone_mode=False)
    assert done.exception is None, done.exception
    return done.return_value, done.stdout, done.stderr


def documents(*words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(*words, "--json")[1].splitlines()]


def test_without_any_grant_the_list_says_so() -> None:
    assert run("list") == (0, "", "No grant stands.\n")


def test_grants_are_listed_by_their_literal_rule_and_ended_ones_on_demand(store: GrantStore) -> None:
    kept = store.add(BOUND, Rule.values(CALL, ["to"]), Ends(uses=10), CALL)
    gone = store.add(BOUND, Rule.any_call(), Ends(minutes=5), CALL)
    store.revoke(gone.id)

    code, shown, _ = run("list")

    assert code == 0
    assert shown.startswith(f'{kept.id}  0 uses    send on mail, with to = "ada@example.com", any body and no other')
    assert [one["id"] for one in documents("list")] == [kept.id]
    everything = {one["id"]: one for one in documents("list", "--all")}
    assert (everything[gone.id]["stands"], everything[gone.id]["why_not"]) == (False, "revoked")


def test_a_call_is_explained_with_the_grant_that_would_answer_or_why_none(store: GrantStore) -> None:
    grant = store.add(BOUND, Rule.exactly(CALL), Ends(uses=10), CALL)

    same = run("explain", "mail", "send", "--arguments", CALL.canonical)
    other = run("explain", "mail", "send", "--arguments", '{"to": "eve@example.com"}')
    (document,) = documents("explain", "mail", "send", "--arguments", "{}")

    assert (same[0], same[1].splitlines()[0]) == (
        0,
        f"{grant.id} would answer, if nothing about the tool has changed:",
    )
    assert (other[0], other[1].splitlines()[0]) == (1, "No grant would answer: a person is asked.")
    assert "[the rule is not for these arguments]" in other[1]
    assert (document["answers"], document["grant"], document["checked"][0]["id"]) == (False, None, grant.id)
    assert run("explain", "mail", "delete")[0] == 1


@pytest.mark.parametrize("arguments", ["{", "[1]", "1"])
def test_arguments_that_cannot_be_read_are_a_wrong_use(arguments: str) -> None:
    code, _, said = run("explain", "mail", "send", "--arguments", arguments)

    assert code == 2
    assert "arguments" in said


def test_one_or_all_are_revoked(store: GrantStore) -> None:
    first, *_ = [store.add(BOUND, Rule.any_call(), Ends(minutes=5), CALL) for _ in range(3)]

    assert run("revoke", first.id) == (0, "", "Revoked 1 grant.\n")
    assert run("revoke", first.id)[0] == 2
    assert run("revoke")[0] == 2
    assert run("revoke", first.id, "--all")[0] == 2
    assert documents("revoke", "--all") == [{"revoked": 2}]
    assert store.take(BOUND, CALL) is None


def test_a_file_that_cannot_be_used_is_said_in_a_line() -> None:
    GrantStore(grants_file()).close()
    grants_file().chmod(0o644)

    code, _, said = run("list")

    assert code == 2
    assert "chmod 600" in said

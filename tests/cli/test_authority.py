"""`allowly-harness authority`, its commands for operators: init, keys, list, revoke, explain."""

import json
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from click.testing import CliRunner

from allowly_authority import RunningAuthority, embedded_authority
from allowly_harness.cli.main import cli


@dataclass
class Done:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str


@dataclass
class Typist:
    """Types commands in this process: a process of its own for each takes seconds."""

    environ: dict[str, str] = field(default_factory=dict[str, str])

    def __call__(self, *words: str, stdin: str = "") -> Done:
        done = CliRunner().invoke(cli, words, input=stdin, env=self.environ, standalone_mode=False)
        if isinstance(done.exception, click.ClickException):
            return Done(done.exception.exit_code, done.stdout, done.stderr + done.exception.format_message())
        assert done.exception is None, done.exception
        return Done(done.return_value, done.stdout, done.stderr)


@pytest.fixture
def typed() -> Typist:
    return Typist()


@pytest.fixture
def running(typed: Typist) -> Iterator[RunningAuthority]:
    """An authority that the commands find by their environment, with its workspace key."""
    with start_blocking_portal() as portal:
        opened = embedded_authority(db=":memory:")
        with portal.wrap_async_context_manager(opened) as authority:
            typed.environ |= {"ALLOWLY_BASE_URL": authority.base_url, "ALLOWLY_KEY": authority.api_key}
            yield authority


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_init_makes_database_and_keys_once_and_says_what_to_export(typed, tmp_path: Path) -> None:
    db = tmp_path / "a.db"
    wanted = ("authority", "init", "--db", str(db), "--gate", "mail-gate", "--approver", "ada=compliance,legal")

    first = typed(*wanted)
    again = typed(*wanted, "--operator", "olga")

    assert (first.code, again.code) == (0, 0), first.err + again.err
    made, later = json.loads(first.out), json.loads(again.out)
    assert (made["db"], made["created"], later["created"]) == (str(db), True, False)
    assert [key["roles"] for key in made["keys"]] == [["gate"], ["approver"]]
    assert made["keys"][1]["addresses"] == ["compliance", "legal"]
    assert made["keys"][0]["key"].startswith("allowly_gate_")
    assert [key["key_id"] for key in later["keys"][:2]] == [key["key_id"] for key in made["keys"]]
    assert ["key" in key for key in later["keys"]] == [False, False, True]
    assert f'export ALLOWLY_KEY="$(cat {made["key_file"]})"' in first.err
    assert "export ALLOWLY_BASE_URL=" in first.err
    assert "it is not told again" in again.err
    assert stat.S_IMODE(Path(made["key_file"]).stat().st_mode) == 0o600
    assert Path(made["key_file"]).read_text().strip() not in first.out + first.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gate", ""), "at least 1 character"),
        (("--approver", "workspace"), "the workspace itself"),
        (("--approver", "ada=x,x"), "named twice"),
        (("--db", "x", "--database", "postgresql://x/y"), "give one of them"),
    ],
    ids=["no-name", "the-workspace", "address-twice", "two-databases"],
)
def test_init_refuses_what_makes_no_sense_and_makes_nothing(typed, tmp_path: Path, options, words: str) -> None:
    refused = typed("authority", "init", *(() if "--db" in options else ("--db", str(tmp_path / "a.db"))), *options)

    assert refused.code == 2
    assert words in refused.err
    assert refused.out == ""
    assert not (tmp_path / "a.db").exists()


def test_the_key_of_a_principal_starts_no_authority(typed, tmp_path: Path) -> None:
    """Else whoever holds it would have every right there."""
    typed.environ["ALLOWLY_KEY"] = f"allowly_approver_{'A' * 43}"

    refused = [typed("authority", *words, "--db", str(tmp_path / "a.db")) for words in (("init",), ("serve",))]

    assert [one.code for one in refused] == [2, 2]
    assert all("cannot be the workspace key" in one.err for one in refused)
    assert not any("A" * 43 in one.err for one in refused)


def test_a_key_is_made_told_once_listed_and_ended(typed, running, tmp_path: Path) -> None:
    made = typed("authority", "keys", "create", "ada", "--role", "approver", "--address", "compliance")
    kept = typed("authority", "keys", "create", "olga", "--role", "operator", "--to", str(tmp_path / "olga.key"))
    told = json.loads(made.out)
    shown = typed("authority", "keys", "list")
    as_json = typed("authority", "keys", "list", "--json", "--of", "ada")
    ended = typed("authority", "keys", "revoke", told["key_id"])
    twice = typed("authority", "keys", "revoke", told["key_id"])
    left = typed("authority", "keys", "list", "--json")
    everything = typed("authority", "keys", "list", "--json", "--all", "--limit", "1")

    assert made.code == 0, made.err
    assert told["key"].startswith("allowly_approver_")
    file = tmp_path / "olga.key"
    assert file.read_text().startswith("allowly_operator_")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text().strip() not in kept.out + kept.err
    assert shown.out.splitlines()[0].split()[:3] == ["KEY", "PRINCIPAL", "ROLES"]
    assert len(shown.out.splitlines()) == 3
    assert told["key"] not in shown.out + as_json.out
    assert [one["key_id"] for one in lines(as_json.out)] == [told["key_id"]]
    assert json.loads(ended.out)["revoked_at"] is not None
    assert (twice.code, twice.out) == (2, "")
    assert twice.err == f"allowly-harness: nothing was changed: {told['key_id']} is revoked already\n"
    assert [one["principal_id"] for one in lines(left.out)] == ["olga"]
    assert len(lines(everything.out)) == 1
    assert "There are more" in everything.err


def test_a_key_file_that_is_there_is_not_replaced_and_none_is_left_without_a_key(
    typed, running, tmp_path: Path
) -> None:
    (tmp_path / "there").write_text("precious")

    there = typed("authority", "keys", "create", "ada", "--role", "gate", "--to", str(tmp_path / "there"))
    failed = typed("authority", "keys", "create", "workspace", "--role", "gate", "--to", str(tmp_path / "new"))

    assert (there.code, failed.code) == (2, 2)
    assert (tmp_path / "there").read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_a_script_gets_the_id_of_an_authorization_alone_and_nothing_where_none_was_made(typed, running) -> None:
    words = ("authority", "grant", "--user", "ada", "--confirm", "send", "--output")

    granted = typed(*words, "id")
    (kept,) = lines(typed("authority", "list", "--user", "ada", "--json").out)
    typed.environ["ALLOWLY_KEY"] = f"allowly_gate_{'A' * 43}"
    refused = typed(*words, "id")
    other = typed(*words, "text")

    assert (granted.code, granted.out, granted.err) == (0, f"{kept['authorization_id']}\n", "")
    assert (refused.out, other.out) == ("", "")
    assert refused.code != 0
    assert other.code == 2


def test_authorizations_are_listed_explained_and_ended(typed, running) -> None:
    granted = typed(
        *("authority", "grant", "--user", "ada", "--allow", "read", "--confirm", "send"),
        *("--escalate", "drop=compliance"),
    )
    authorization = json.loads(granted.out)["authorization_id"]
    shown = typed("authority", "list", "--user", "ada")
    as_json = typed("authority", "list", "--json")
    said = [typed("authority", "explain", authorization, scope) for scope in ("read", "drop", "other")]
    machine = typed("authority", "explain", authorization, "send", "--json", "--context", '{"a": 1}')
    ended = typed("authority", "revoke", authorization, "--notes", "left")
    twice = typed("authority", "revoke", authorization)
    after = typed("authority", "explain", authorization, "read")

    assert authorization in shown.out
    assert "read send? drop?compliance" in shown.out
    assert {one["user_id"] for one in lines(as_json.out)} >= {"ada"}
    assert all(one.code == 0 for one in said)
    assert said[0].out.startswith("read: allow (")
    assert said[1].out.startswith("drop: escalate, by requires_escalation_for (")
    assert said[2].out.startswith("other: deny, by scope (")
    assert "`- scope " in said[2].out
    assert json.loads(machine.out)["decision"] == "confirm"
    assert json.loads(ended.out) | {"revoked_at": ""} == {
        "authorization_id": authorization,
        "revoked_at": "",
        "revoked_approvals": 0,
    }
    assert (twice.code, twice.out) == (2, "")
    assert twice.err == f"allowly-harness: nothing was changed: {authorization} is revoked already\n"
    assert after.out.startswith("read: deny, by revocation (")


def test_what_has_further_rules_is_marked_in_the_list(typed, running) -> None:
    rules = {"confirm_when": [{"field": "amount", "gt": 10}]}
    body = {
        "user_id": "ada",
        "agent_id": "agent",
        "expires_at": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
        "scopes": ["read", "send", {"name": "pay", "constraints": rules}],
        "requires_confirm_for": ["send"],
    }
    headers = {"Authorization": f"Bearer {running.api_key}"}
    made = httpx.post(f"{running.base_url}/v1/authorizations", json=body, headers=headers, trust_env=False, timeout=20)

    shown = typed("authority", "list")
    as_json = typed("authority", "list", "--json")

    assert made.status_code == 201
    assert shown.out.splitlines()[1].endswith("  read send? pay*")
    assert lines(as_json.out)[0]["constraints"] == {"pay": rules}


def test_an_authority_that_does_not_answer_is_named(typed) -> None:
    typed.environ |= {"ALLOWLY_BASE_URL": "http://127.0.0.1:9", "ALLOWLY_KEY": f"allowly_operator_{'A' * 43}"}

    done = typed("authority", "list")

    assert (done.code, done.out) == (7, "")
    assert done.err == "allowly-harness: the authority at http://127.0.0.1:9: The authority cannot be reached.\n"


def test_what_is_not_there_or_not_meant_for_the_key_is_told_in_a_sentence(typed, running) -> None:
    gate = json.loads(typed("authority", "keys", "create", "g", "--role", "gate").out)["key"]
    unknown = typed("authority", "revoke", "auth_unknown")
    no_key = typed("authority", "keys", "revoke", "key_unknown")
    context = typed("authority", "explain", "auth_1", "x", "--context", "[1]")
    both = typed("authority", "keys", "create", "g", "--role", "gate", "--role", "approver")
    typed.environ["ALLOWLY_KEY"] = gate
    gated = [
        typed("authority", *words) for words in (("list",), ("keys", "list"), ("grant", "--user", "u", "--allow", "x"))
    ]
    typed.environ["ALLOWLY_KEY"] = f"allowly_gate_{'A' * 43}"
    wrong = typed("authority", "list")

    assert (unknown.code, unknown.err) == (2, "allowly-harness: there is no authorization auth_unknown\n")
    assert (no_key.code, no_key.err) == (2, "allowly-harness: there is no key key_unknown\n")
    assert context.code == 2
    assert "--context" in context.err
    assert both.code == 2
    assert [one.code for one in gated] == [2, 2, 2]
    assert all("the key of an operator" in one.err for one in gated)
    assert wrong.code == 7
    assert not any("Traceback" in one.err for one in (unknown, no_key, context, both, wrong, *gated))


def test_without_an_authority_each_command_says_how_to_name_one(typed) -> None:
    commands = (("list",), ("keys", "list"), ("explain", "a", "x"))

    done = [typed("authority", *words) for words in commands]

    assert [one.code for one in done] == [2, 2, 2]
    assert all("ALLOWLY_BASE_URL" in one.err for one in done)

"""The offer to remember a yes at the chat prompt: what is typed, what is shown, and what alone saves it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from allowly_harness import Answer
from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.chat.offering import OfferError, parse_offer
from allowly_harness.approvers.remembering import RememberingApprover
from allowly_harness.chat.commands import CommandError
from allowly_harness.chat.granted import list_used, revoke
from allowly_harness.grants import Ends, Rule
from allowly_harness.protocol.models import AnswerKind, ToolCall

pytestmark = pytest.mark.anyio

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")

CALL = ToolCall("mail", "send", {"to": "ada@example.com", "body": "hello"})


class Chat:
    """A chat approver whose keys are a string and whose screen is one."""

    def __init__(self, keys: Any, screen: io.StringIO) -> None:
        self._keys, self._screen = keys, screen
        self.approver = ChatApprover(
            draw_code=lambda: "k7", terminal=lambda: True, console=Console(quiet_seconds=0.0, burst_seconds=0.0)
        )

    async def ask(self, request: Any, typed: str) -> Answer:
        self._keys.send_text(typed)
        with anyio.fail_after(20):
            return await self.approver.ask(request)

    @property
    def text(self) -> str:
        return " ".join(_ESCAPES.sub("", self._screen.getvalue()).split())


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch) -> Iterator[Chat]:
    for name in ("VISUAL", "EDITOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=40, columns=200), term="xterm", enable_cpr=False)
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        yield Chat(keys, screen)


@pytest.mark.parametrize(
    ("typed", "rule", "ends"),
    [
        ("call 10 times", Rule.exactly(CALL), Ends(uses=10)),
        ("call once", Rule.exactly(CALL), Ends(uses=1)),
        ("with to 30 minutes", Rule.values(CALL, ["to"]), Ends(minutes=30)),
        ("with to, body for 1 minute and 2 times", Rule.values(CALL, ["to", "body"]), Ends(minutes=1, uses=2)),
        ("tool session", Rule.any_call(), Ends(session=True)),
        ("TOOL for this session 5 min", Rule.any_call(), Ends(minutes=5, session=True)),
    ],
)
def test_a_rule_is_typed_as_words(typed: str, rule: Rule, ends: Ends) -> None:
    assert parse_offer(typed, CALL) == (rule, ends)


@pytest.mark.parametrize(
    "typed",
    [
        *(
            "",
            "always",
            "call",
            "tool",
            "with 10 times",
            "with cc 10 times",
            "with to",
            "call 0 times",
            "call 101 times",
        ),
        *("tool 1441 minutes", "call ten times", "call 10", "call 10 hours", "call 99999 times", "all 10 times"),
    ],
)
def test_what_is_no_rule_is_refused(typed: str) -> None:
    with pytest.raises(OfferError):
        parse_offer(typed, CALL)


async def test_a_rule_is_shown_whole_and_saved_by_a_yes_of_its_own_that_approves_the_call(
    chat, grants, store, question
):
    chat.approver.remember_with(grants)

    answer = await chat.ask(question(), "remember with to 10 times\rsave k7\r")

    ((grant, why),) = store.all()
    assert (answer.kind, answer.grant, why) == (AnswerKind.APPROVE, None, "")
    assert grant.rule == Rule.values(CALL, ["to"])
    assert (
        'THE RULE. Nobody is asked about calls that it fits: send on mail, with to = "ada@example.com", any'
        in chat.text
    )
    assert f"/revoke {grant.id} takes it back" in chat.text


@pytest.mark.parametrize(
    "typed",
    [
        "save k7\rdeny\r",
        "remember call 10 times\r\r\rdeny\r",
        "remember call 10 times\rsave\rsave k8\ry\ryes\rsave k7 please\rdeny\r",
        "remember call 10 times\r\x1b[200~save k7\x1b[201~\rdeny\r",
        "remember call 10 times\rremember always\rsave k7\rdeny\r",
        "remember\rsave k7\rdeny\r",
        "remember call 10 times\x03",
        "remember call 10 times\r\x03",
    ],
)
async def test_nothing_else_saves_or_approves(chat, grants, store, question, typed) -> None:
    """G1."""
    chat.approver.remember_with(grants)

    answer = await chat.ask(question(), typed)

    assert answer.kind in (AnswerKind.DENY, AnswerKind.CANCEL)
    assert store.all() == ()


async def test_a_plain_yes_saves_nothing(chat, grants, store, question) -> None:
    chat.approver.remember_with(grants)

    answer = await chat.ask(question(), "remember call 10 times\rapprove k7\r")

    assert (answer.kind, store.all()) == (AnswerKind.APPROVE, ())


@pytest.mark.parametrize("turned_on", [True, False])
async def test_where_nothing_may_be_remembered_nothing_is_offered(chat, grants, store, question, turned_on) -> None:
    """G1: a dangerous call, and any call as long as it is not turned on."""
    if turned_on:
        chat.approver.remember_with(grants)

    request = question(danger="the server marks it as destructive") if turned_on else question()
    answer = await chat.ask(request, "remember call 10 times\rsave k7\rdeny\r")

    assert (answer.kind, store.all()) == (AnswerKind.DENY, ())
    assert "THE RULE" not in chat.text


async def test_a_dangerous_call_that_is_named_wants_its_word_to_be_remembered(chat, store, question) -> None:
    from allowly_harness.grants import Grants

    chat.approver.remember_with(Grants(store, authority="a", granted_by="ada", dangerous=["mail:send"]))

    answer = await chat.ask(question(danger="d"), "remember call 1 times\rsave k7\rsave k7 send\r")

    assert answer.kind is AnswerKind.APPROVE
    assert len(store.all()) == 1


async def test_a_grant_that_cannot_be_kept_approves_nothing(chat, grants, store, question) -> None:
    chat.approver.remember_with(grants)
    store._connection.execute("PRAGMA query_only = ON")

    answer = await chat.ask(question(), "remember call 10 times\rsave k7\rdeny\r")

    assert answer.kind is AnswerKind.DENY
    assert "Not saved" in chat.text


async def test_each_automatic_approval_leaves_a_line_and_is_counted_and_revoked(chat, grants, question) -> None:
    approver = RememberingApprover(chat.approver, grants)
    grant = await grants.save(question(), Rule.any_call(), Ends(minutes=5))

    await approver.automatic(question())
    list_used(grants)
    await revoke(grants, f" {grant.id} ")

    assert "approved without asking (1 in this session): send" in chat.text
    assert f"grant {grant.id}: send on mail, with any arguments" in chat.text
    assert "1 approved without asking in this session" in chat.text
    assert await approver.automatic(question()) is None


async def test_revoking_says_what_cannot_be_revoked(grants) -> None:
    with pytest.raises(CommandError, match="no grant of that id"):
        await revoke(grants, "nothing")
    for do in (lambda: revoke(None, "x"), lambda: anyio.to_thread.run_sync(list_used, None)):
        with pytest.raises(CommandError, match="remember = true"):
            await do()

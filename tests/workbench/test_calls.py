"""The log of calls: how each stands, what is found in it, and that one is cancelled and no other."""

from datetime import UTC, datetime
from types import SimpleNamespace

import anyio
import pytest

from allowly_harness.display.clock import Clock
from allowly_harness.display.layout import lay_out_sections, text_of
from allowly_harness.display.width import cells
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo
from allowly_harness.workbench.call_view import call_row, call_sections
from allowly_harness.workbench.calls import CallLog, CallState

pytestmark = pytest.mark.anyio

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def fixed_clock() -> Clock:
    return Clock(lambda: NOON, lambda: 0.0)


def log(**options) -> CallLog:
    return CallLog(clock=fixed_clock(), **options)


class Named:
    server = ServerInfo("everything")


class Answers(Named):
    """A session that answers at once, with `outcome` where there is one."""

    def __init__(self, outcome: str | None = None, *, is_error: bool = False, rounds: int = 1) -> None:
        meta = {"allowly-harness/approval": {"outcome": outcome, "rounds": rounds}} if outcome else None
        block = SimpleNamespace(type="text", text="text")
        self.result = SimpleNamespace(content=[block], is_error=is_error, structured_content=None, meta=meta)

    async def call_tool(self, name, arguments=None, *, progress_callback=None):
        return self.result


class Hangs(Named):
    async def call_tool(self, name, arguments=None, *, progress_callback=None):
        await anyio.sleep_forever()


async def ended(entry) -> None:
    with anyio.fail_after(20):
        await entry.end.wait()


async def test_a_call_runs_and_brings_its_result(open_session):
    calls = log()

    async with open_session() as session:
        entry = calls.start(session, "add", {"a": 2})
        assert entry.state is CallState.RUNNING
        await ended(entry)

    assert (entry.number, entry.state, entry.words) == (1, CallState.OK, "ok")
    assert "3" in text_of(lay_out_sections(call_sections(entry), 80))


async def test_progress_is_kept_and_told(open_session):
    seen = []
    calls = log(changed=lambda entry: seen.append(entry.progress))

    async with open_session() as session:
        await ended(calls.start(session, "count", {}))

    assert [(one.done, one.fraction, one.message.text) for one in seen if one] != []
    assert seen[-1].fraction == 1.0


async def test_one_call_is_taken_back_and_no_other():
    calls = log()
    one, other = calls.start(Hangs(), "hang", {"n": 1}), calls.start(Hangs(), "hang", {"n": 2})
    await anyio.lowlevel.checkpoint()

    calls.cancel(one)
    await ended(one)

    assert (one.state, one.words) == (CallState.CANCELLED, "cancelled")
    assert other.running
    await calls.close()
    assert other.state is CallState.CANCELLED


async def test_a_call_that_is_taken_back_before_it_began_ends_all_the_same():
    calls = log()
    entry = calls.start(Hangs(), "hang", {})

    calls.cancel(entry)
    await ended(entry)

    assert entry.state is CallState.CANCELLED


async def test_a_failure_is_shown_inert_and_without_secrets():
    class Fails(Named):
        async def call_tool(self, name, arguments=None, *, progress_callback=None):
            raise RuntimeError("gone \x1b[2J sk-live-0123456789abcdefghij")

    entry = log().start(Fails(), "fail", {})
    await ended(entry)

    assert (entry.state, entry.words) == (CallState.FAILED, "FAILED")
    assert entry.problem.text == "RuntimeError: gone \\x1b[2J <28 characters masked>"


@pytest.mark.parametrize(
    ("outcome", "is_error", "state"),
    [
        (None, False, CallState.OK),
        (None, True, CallState.FAILED),
        ("allowed", False, CallState.OK),
        ("approved", False, CallState.APPROVED),
        ("approved", True, CallState.FAILED),
        ("approved_edited", False, CallState.APPROVED),
        ("responded", True, CallState.APPROVED),
        ("denied_by_policy", True, CallState.DENIED),
        ("denied_by_person", True, CallState.DENIED),
        ("expired", True, CallState.FAILED),
        ("unknown", True, CallState.FAILED),
    ],
)
async def test_each_outcome_has_its_state(outcome, is_error, state):
    entry = log().start(Answers(outcome, is_error=is_error, rounds=2), "send", {})
    await ended(entry)

    assert entry.state is state
    assert entry.rounds == (2 if outcome else 0)


async def test_calls_are_found_by_words_and_by_state():
    calls = log()
    for outcome, to in (("approved", "ada"), ("denied_by_person", "bob"), ("approved", "bob")):
        await ended(calls.start(Answers(outcome), "send", {"to": to}))

    assert [one.number for one in calls.matching("BOB")] == [2, 3]
    assert [one.number for one in calls.matching("send bob", {CallState.APPROVED})] == [3]
    assert [one.number for one in calls.matching("#2")] == [2]
    assert calls.matching("carol") == []


async def test_the_oldest_ended_call_goes_first():
    calls = log(limit=2)
    running = calls.start(Hangs(), "hang", {})
    for _ in range(3):
        await ended(calls.start(Answers(), "send", {}))

    assert [entry.number for entry in calls.entries] == [1, 4]
    calls.cancel(running)
    await ended(running)


def question(call: ToolCall, **fields) -> ApprovalRequest:
    return ApprovalRequest("confirm", call, "", NOON, ServerInfo("everything"), ToolInfo(call.tool), **fields)


async def test_of_identical_calls_each_question_marks_another():
    calls = log()
    one, other = calls.start(Hangs(), "send", {"to": "ada"}), calls.start(Hangs(), "send", {"to": "ada"})
    asked = question(one.call)

    calls.mark(asked, "WAITS for you")
    calls.mark(asked, "WAITS for you")
    calls.mark(asked, "")

    assert sorted(entry.state for entry in (one, other)) == [CallState.RUNNING, CallState.WAITING]
    await calls.close()


async def test_the_question_about_an_edited_call_marks_the_call_that_was_made():
    calls = log()
    entry = calls.start(Hangs(), "send", {"to": "ada"})
    edited = question(ToolCall("everything", "send", {"to": "bob"}), edited_from=entry.call)

    calls.mark(edited, "WAITS for you")

    assert entry.state is CallState.WAITING
    await calls.close()


@pytest.mark.parametrize("width", [40, 56, 76, 116])
async def test_a_row_is_never_wider_than_the_screen(width):
    arguments = {"to": "x" * 200, "\u202eevil": "\u05d0\u05d1", "wide": "\u4e2d" * 30}
    entry = log().start(Answers("denied_by_policy"), "a_tool_with_a_very_long_name_" * 4, arguments)
    await ended(entry)

    text = text_of([call_row(entry, 0.0, width)])

    assert cells(text) <= width
    assert text.startswith("#1 ")


async def test_arguments_that_cannot_be_sent_are_refused():
    with pytest.raises(ValueError, match="JSON"):
        log().start(Answers(), "send", {"n": float("nan")})

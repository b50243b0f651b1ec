"""`ChatApprover` while another program's prompt, or its full screen, is open on the terminal (G1)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import Application, get_app_or_none, in_terminal, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.layout import Layout, Window
from prompt_toolkit.layout.controls import BufferControl
from prompt_toolkit.patch_stdout import patch_stdout

from allowly_harness.approvers.base import Closure, Desk, WaitStatus
from allowly_harness.approvers.chat.console import Console
from allowly_harness.approvers.loops import OtherLoopApprover
from allowly_harness.protocol.models import Answer

pytestmark = pytest.mark.anyio


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - keys are read by another task, which raises no event
            await anyio.sleep(0.005)


class Host:
    """A program with a prompt of its own, which it reads in a task."""

    def __init__(self, terminal: Any) -> None:
        self.terminal = terminal
        self.session: PromptSession[str] = PromptSession("host> ")
        self.lines: list[str | type[BaseException]] = []
        self.answers: list[Any] = []

    async def read(self) -> None:
        try:
            self.lines.append(await self.session.prompt_async())
        except (KeyboardInterrupt, EOFError) as error:
            self.lines.append(type(error))

    async def ask(self, desk: Any, request: Any) -> None:
        self.answers.append(await desk.ask(request))

    async def typed(self, text: str) -> None:
        """Type, and wait until the prompt holds it."""
        self.terminal.type(text)
        await until(lambda: self.session.default_buffer.text.endswith(text))


@pytest.fixture
def host(terminal):
    """Run a host whose prompt is open: `async with host() as (host, group)`."""

    @asynccontextmanager
    async def run() -> AsyncIterator[tuple[Host, Any]]:
        program = Host(terminal)
        with anyio.fail_after(60):
            async with anyio.create_task_group() as group:
                group.start_soon(program.read)
                await terminal.then("host>")
                yield program, group

    return run


async def test_a_question_opens_over_the_prompt_and_half_typed_text_comes_back(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    async with host() as (program, group):
        await program.typed("half a li")
        group.start_soon(program.ask, approver, question())
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("approve k7")
        terminal.type("approve k7\r")
        await terminal.then("host> half a li")
        terminal.type("ne\r")

    assert [answer.kind for answer in program.answers] == ["approve"]
    assert program.lines == ["half a line"]


async def test_keys_typed_before_the_question_was_there_answer_nothing(host, terminal, question, hands) -> None:
    """G1: they belong to the host's line, or to nobody."""
    approver = terminal.approver(hands)
    async with host() as (program, group):
        await program.typed("approve k7")
        group.start_soon(program.ask, approver, question())
        terminal.type(" approve k7")
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("?:")
        terminal.type("\r")
        await terminal.then("Nothing was decided")

        assert program.answers == []
        terminal.type("deny no\r")
        await terminal.then("host> approve k7")
        terminal.type("\r")

    assert [answer.kind for answer in program.answers] == ["deny"]
    assert program.lines[0].startswith("approve k7")


async def test_what_is_typed_behind_an_answer_reaches_nobody(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    async with host() as (program, group):
        group.start_soon(program.ask, approver, question())
        await terminal.then("?:")
        terminal.type("deny\rrm -r /\r")
        await terminal.then("host>")
        terminal.type("first\r")
        await until(lambda: program.lines)
        group.start_soon(program.read)
        await terminal.then("host>")
        terminal.type("second\r")

    assert program.lines == ["first", "second"]


async def test_a_question_waits_until_the_person_pauses(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands, console=Console(quiet_seconds=5.0, burst_seconds=0.0))
    async with host() as (program, group):
        await program.typed("a")
        group.start_soon(program.ask, approver, question())
        for letter in "bcdef":
            await program.typed(letter)
            await anyio.sleep(0.02)
        before = terminal.text
        await terminal.then("APPROVE THIS CALL?")
        await terminal.then("?:")
        terminal.type("deny\r")
        await terminal.then("host> abcdef")
        terminal.type("\r")

    assert "APPROVE" not in before
    assert program.lines == ["abcdef"]


async def test_a_question_never_opens_over_a_draft_of_a_prompt_that_was_told_of(terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    program = Host(terminal)

    async def read() -> None:
        async with approver.beside(program.session):
            await program.read()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(read)
            await terminal.then("host>")
            await program.typed("dear Ada")
            group.start_soon(program.ask, approver, question())
            await terminal.then("approval waiting: #1 send_email")
            await terminal.then("it opens when your line is sent or empty")
            await terminal.then("host> dear Ada")
            assert "APPROVE THIS CALL?" not in terminal.text

            terminal.type("\x15")  # Ctrl-U empties the line
            await terminal.then("APPROVE THIS CALL?")
            await terminal.then("?:")
            terminal.type("approve k7\r")
            await terminal.then("host>")
            terminal.type("sent\r")

    assert [answer.kind for answer in program.answers] == ["approve"]
    assert program.lines == ["sent"]


async def test_a_prompt_that_is_told_of_waits_for_an_open_question(terminal, question, hands) -> None:
    """Two prompts on one terminal would share its keys."""
    approver = terminal.approver(hands)
    program = Host(terminal)

    async def read() -> None:
        async with approver.beside(program.session):
            await program.read()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(program.ask, approver, question())
            await terminal.then("?:")
            group.start_soon(read)
            terminal.type("deny\r")
            await terminal.then("host>")
            terminal.type("hello\r")

    assert [answer.kind for answer in program.answers] == ["deny"]
    assert program.lines == ["hello"]


async def test_a_question_withdrawn_while_it_is_shown_gives_the_prompt_back(host, terminal, question, hands) -> None:
    desk = Desk(terminal.approver(hands))
    request = question()
    async with host() as (program, _group):
        await program.typed("draft")
        async with anyio.create_task_group() as call:
            call.start_soon(program.ask, desk, request)
            await terminal.then("?:")
            desk.closing(request, Closure("withdrawn"))
            call.cancel_scope.cancel()
        await terminal.then("withdrawn by the agent")
        await terminal.then("host> draft")
        terminal.type("!\r")

    assert program.answers == []
    assert program.lines == ["draft!"]


async def test_a_call_cancelled_while_the_program_uses_the_terminal_leaves_the_prompt_usable(
    host, terminal, question, hands
) -> None:
    """prompt-toolkit's own `in_terminal` never lets anybody in again after that."""
    approver = terminal.approver(hands)
    async with host() as (program, group):
        done = anyio.Event()

        async def pager() -> None:
            async with in_terminal():
                await done.wait()

        group.start_soon(pager)
        await anyio.sleep(0.05)
        async with anyio.create_task_group() as call:
            call.start_soon(program.ask, approver, question())
            await anyio.sleep(0.2)
            call.cancel_scope.cancel()
        done.set()
        await run_in_terminal(lambda: None)
        group.start_soon(program.ask, approver, question())
        await terminal.then("?:")
        terminal.type("deny\r")
        await terminal.then("host>")
        terminal.type("works\r")

    assert program.lines == ["works"]


async def test_ctrl_c_on_a_question_closes_it_and_ctrl_c_on_the_prompt_is_the_programs_own(
    host, terminal, question, hands
) -> None:
    approver = terminal.approver(hands)
    async with host() as (program, group):
        group.start_soon(program.ask, approver, question())
        await terminal.then("?:")
        terminal.type("\x03")
        await terminal.then("Closed without an answer")
        await terminal.then("host>")
        assert program.lines == []
        terminal.type("\x03")

    assert program.answers == [Answer.cancel()]
    assert program.lines == [KeyboardInterrupt]


async def test_a_prompt_that_is_cancelled_under_a_question_ends_when_the_question_does(
    terminal, question, hands
) -> None:
    approver = terminal.approver(hands)
    program = Host(terminal)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            task = asyncio.create_task(program.read())
            await terminal.then("host>")
            group.start_soon(program.ask, approver, question())
            await terminal.then("?:")
            task.cancel()
            await anyio.sleep(0.05)
            terminal.type("approve k7\r")
            await asyncio.wait([task])

    assert [answer.kind for answer in program.answers] == ["approve"]
    assert get_app_or_none() is None


async def test_what_the_program_prints_meanwhile_stands_above_the_question(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    with patch_stdout():
        async with host() as (program, group):
            group.start_soon(program.ask, approver, question())
            await terminal.then("?:")
            print("news of the program")
            await terminal.then("news of the program")
            terminal.type("approve k7\r")
            await terminal.then("host>")
            terminal.type("\r")

    assert [answer.kind for answer in program.answers] == ["approve"]


async def test_several_questions_come_one_by_one_over_the_prompt(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    async with host() as (program, group):
        await program.typed("draft")
        for number in range(3):
            group.start_soon(program.ask, approver, question(arguments={"number": number}))
        for _ in range(3):
            await terminal.then("APPROVE THIS CALL?")
            await terminal.then("?:")
            terminal.type("approve k7\r")
        await until(lambda: len(program.answers) == 3)
        await terminal.then("host> draft")
        terminal.type("\r")

    assert [answer.kind for answer in program.answers] == ["approve"] * 3
    assert program.lines == ["draft"]


async def test_a_wait_never_hides_the_prompt(host, terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    async with host() as (program, _group), anyio.create_task_group() as call:
        call.start_soon(approver.watch, question(kind="escalate", escalation_to="finance"), WaitStatus())
        await terminal.then('#1 waiting for "finance"')
        await terminal.then("host>")
        terminal.type("go on\r")
        await until(lambda: program.lines)
        call.cancel_scope.cancel()

    assert program.lines == ["go on"]


async def test_a_full_screen_program_is_left_and_comes_back(terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    buffer, bindings, answers = Buffer(), KeyBindings(), []
    bindings.add("c-q")(lambda event: event.app.exit(buffer.text))
    screen: Application[str] = Application(
        Layout(Window(BufferControl(buffer))), key_bindings=bindings, full_screen=True
    )

    async def ask() -> None:
        answers.append(await approver.ask(question()))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            running = asyncio.create_task(screen.run_async())
            await anyio.sleep(0.05)
            terminal.type("text of the screen")
            await terminal.then("text of the screen")
            group.start_soon(ask)
            await terminal.then("APPROVE THIS CALL?")
            await terminal.then("?:")
            assert terminal._screen.getvalue().count("\x1b[?1049l") == 1  # the alternate screen is left
            terminal.type("approve k7\r")
            await terminal.then("text of the screen")
            assert terminal._screen.getvalue().count("\x1b[?1049h") == 2  # and entered again
            terminal.type("\x11")
            text = await running

    assert [answer.kind for answer in answers] == ["approve"]
    assert text == "text of the screen"


async def test_a_screen_with_a_rule_of_its_own_for_drafts_is_not_interrupted(terminal, question, hands) -> None:
    approver = terminal.approver(hands)
    buffer, bindings, answers = Buffer(), KeyBindings(), []
    writing = True
    bindings.add("c-q")(lambda event: event.app.exit())
    screen: Application[None] = Application(
        Layout(Window(BufferControl(buffer))), key_bindings=bindings, full_screen=True
    )

    async def run() -> None:
        async with approver.beside(screen, draft=lambda: writing):
            await screen.run_async()

    async def ask() -> None:
        answers.append(await approver.ask(question()))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await anyio.sleep(0.05)
            group.start_soon(ask)
            await terminal.then("approval waiting")
            assert "APPROVE THIS CALL?" not in terminal.text

            writing = False
            terminal.type("x")
            await terminal.then("?:")
            terminal.type("deny\r")
            await until(lambda: answers)
            terminal.type("\x11")

    assert [answer.kind for answer in answers] == ["deny"]


async def test_an_agent_in_a_thread_asks_in_the_loop_of_the_prompt(host, terminal, question, hands) -> None:
    approver = OtherLoopApprover(terminal.approver(hands), asyncio.get_running_loop())
    got: list[Answer] = []
    async with host() as (program, _group):
        await program.typed("draft")
        thread = threading.Thread(target=lambda: got.append(asyncio.run(approver.ask(question()))))
        thread.start()
        await terminal.then("?:")
        terminal.type("approve k7\r")
        await terminal.then("host> draft")
        await asyncio.to_thread(thread.join, 5)
        terminal.type("\r")

    assert [answer.kind for answer in got] == ["approve"]
    assert approver.handles_many
    assert approver.handles_expiry


async def test_an_agent_in_a_thread_gets_no_answer_from_a_loop_that_has_ended(question) -> None:
    ended = asyncio.new_event_loop()
    ended.close()

    class Never:
        async def ask(self, request: Any) -> Answer:
            return Answer.approve()

    approver = OtherLoopApprover(Never(), ended)

    assert await approver.ask(question()) == Answer.unattended()
    assert approver.elicit is None
    approver.closing(question(), Closure("withdrawn"))

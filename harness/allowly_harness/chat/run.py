"""`run_chat`: a prompt around one connected session."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, Final, Protocol, cast

import anyio
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History, InMemoryHistory

from allowly_harness.approvers.chat_text import STYLE, columns, draw, is_terminal, say
from allowly_harness.arguments import problem_with
from allowly_harness.chat.commands import COMMANDS, Command, CommandError, parse_command
from allowly_harness.chat.completion import CommandCompleter
from allowly_harness.display.card import Row, Section, summary_of_call
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.results import result_sections, word_for
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own, plain
from allowly_harness.protocol.models import ServerInfo, ToolCall

MAX_PAGES: Final = 50
"""Most pages of a tool list that are read; a server's paging may never end."""

LIST_SECONDS: Final = 10.0
"""How long reading all pages of the tool list may take before the prompt comes without the rest."""

MAX_LOG: Final = 1_000
"""Most calls that `log` keeps."""


class ToolSession(Protocol):
    """An open session whose approver asks on this terminal."""

    @property
    def server(self) -> ServerInfo:
        """Which server it is, in our own words."""
        ...

    async def list_tools(self, *, params: Any = None) -> Any:
        """Return one page of tools."""
        ...

    async def call_tool(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        """Call a tool; asks, reports and retries by itself."""
        ...


async def run_chat(
    session: ToolSession,
    *,
    hints: Sequence[str] = (),
    history: History | None = None,
    terminal: Callable[[], bool] = is_terminal,
) -> int:
    """Read commands until the person leaves.

    Args:
        session: Opened, and closed again, by the caller.
        hints: What to try, a few words each.
        history: Where typed lines are kept; by default for this run only.
        terminal: Tells whether there is a person.

    Returns:
        The exit code: 0, or 2 without a terminal.
    """
    if not terminal():
        return 2
    return await _Chat(session, hints, history or InMemoryHistory()).run()


class _Chat:
    def __init__(self, session: ToolSession, hints: Sequence[str], history: History) -> None:
        self._session = session
        self._hints = hints
        self._tools: dict[str, Any] = {}
        self._schemas: dict[str, Mapping[str, Any]] = {}
        self._log: list[tuple[ToolCall, str, float, Any]] = []
        self._prompt: PromptSession[str] = PromptSession(
            history=history, completer=CommandCompleter(self._schemas), complete_while_typing=False, style=STYLE
        )
        self._name = one_line(session.server.name, 40).text

    async def run(self) -> int:
        say(f"connected  {self._name}", "heading")
        await self._read_tools()
        for hint in self._hints:
            say(f"  try: {plain(hint, 300)}", "note")
        say("  help lists the commands", "note")
        while True:
            try:
                line = await self._prompt.prompt_async(
                    FormattedText([("class:label", f"{self._name}> ")]), set_exception_handler=False
                )
                command = parse_command(line)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return 0
            except CommandError as error:
                say(plain(str(error), 300), "warning")
                continue
            if command.name == "quit":
                return 0
            await self._do(command)

    async def _do(self, command: Command) -> None:
        match command.name:
            case "tools":
                self._list_tools(" ".join(command.words))
            case "tool":
                self._describe(command.words)
            case "call":
                await self._call(command.words[0], dict(command.arguments))
            case "log":
                self._show_log(command.words)
            case "help":
                for text in COMMANDS.values():
                    say(f"  {text}")
                say("  Ctrl-C during a call cancels that call only.", "note")
            case _:
                pass

    async def _read_tools(self) -> None:
        try:
            with anyio.fail_after(LIST_SECONDS):
                await self._read_pages()
        except TimeoutError:
            say(f"  the server did not list its tools within {LIST_SECONDS:g} s; going on without", "bad")
        except Exception as error:  # noqa: BLE001 - a server without tools is still a session
            say(plain(f"  no tools: {type(error).__name__}: {error}", 300), "bad")
        odd = sum(1 for name in self._tools if identifier(name).odd)
        say(
            f"  {len(self._tools)} tools" + (f", {odd} with an unusual name" if odd else ""),
            "note",
        )

    async def _read_pages(self) -> None:
        params: Any = None
        for _ in range(MAX_PAGES):
            page = await self._session.list_tools(params=params)
            for tool in page.tools:
                self._tools[tool.name] = tool
                schema = getattr(tool, "input_schema", None)
                self._schemas[tool.name] = schema if isinstance(schema, dict) else {}
            cursor = getattr(page, "next_cursor", None)
            if cursor is None:
                break
            from mcp_types import PaginatedRequestParams  # the session has loaded it by now

            params = PaginatedRequestParams(cursor=cursor)

    def _list_tools(self, words: str) -> None:
        for name, tool in self._tools.items():
            if all(word in name.casefold() for word in words.casefold().split()):
                first = one_line((getattr(tool, "description", None) or "").split("\n")[0], 120)
                shown = identifier(name)
                draw(
                    lay_out_sections(
                        (Section(Shown(), (Row(shown, first, "unusual name" if shown.odd else ""),)),), columns()
                    )
                )

    def _describe(self, words: tuple[str, ...]) -> None:
        tool = self._tools.get(" ".join(words))
        if tool is None:
            say("there is no such tool; tools lists them", "warning")
            return
        rows = tuple(Row(Shown(), line) for line in block(getattr(tool, "description", None) or "(no description)"))
        draw(lay_out_sections((Section(identifier(tool.name), rows, quoted=True),), columns()))
        for candidate in CommandCompleter(self._schemas).arguments_of(tool.name):
            say(f"    {plain(candidate, 200)}", "label")

    async def _call(self, name: str, arguments: dict[str, Any]) -> None:
        if name not in self._tools:
            say("the server listed no such tool; calling it all the same", "warning")
        problem = problem_with(arguments, self._schemas.get(name, {}))
        if problem is not None:
            say(f"  the schema says: {plain(problem, 300)}", "warning")
        try:
            call = ToolCall(self._session.server.name, name, arguments)
        except ValueError as error:
            say(f"not sent: {plain(str(error), 300)}", "bad")
            return
        started = time.monotonic()
        result: Any = None
        state = "cancelled"
        with anyio.CancelScope() as scope, _cancelled_by_ctrl_c(scope):
            try:
                result = await self._session.call_tool(name, call.payload())
                state = word_for(result)
            except Exception as error:  # noqa: BLE001 - whatever fails is shown, and the session goes on
                state = "FAILED"
                say(plain(f"{type(error).__name__}: {error}", 500), "bad")
        self._ended(call, state, time.monotonic() - started, result)

    def _ended(self, call: ToolCall, state: str, seconds: float, result: Any) -> None:
        self._log = [*self._log[-MAX_LOG + 1 :], (call, state, seconds, result)]
        style = "bad" if any(word.isupper() for word in state.split()) else "good"
        say(f"#{len(self._log)} {identifier(call.tool).text}  {state}  {seconds:.1f} s", style)
        if result is not None:
            draw(lay_out_sections(result_sections(result), columns()))

    def _show_log(self, words: tuple[str, ...]) -> None:
        if words and words[0].isdecimal() and 0 < int(words[0][:6]) <= len(self._log):
            _, _, _, result = self._log[int(words[0][:6]) - 1]
            if result is not None:
                draw(lay_out_sections(result_sections(result), columns()))
            return
        for number, (call, state, seconds, _) in enumerate(self._log, 1):
            head = own(f"#{number:<3} {state:<20} {seconds:6.1f} s  ")
            draw(lay_out_sections((Section(joined([head, summary_of_call(call)]), ()),), columns()))


@contextlib.contextmanager
def _cancelled_by_ctrl_c(scope: anyio.CancelScope) -> Generator[None]:
    """Let Ctrl-C cancel one call while it runs; the session and its server live on."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, scope.cancel)
    except (NotImplementedError, RuntimeError, ValueError):  # not on this system, or not in this thread
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if callable(before) or isinstance(before, signal.Handlers):
            signal.signal(signal.SIGINT, cast("Any", before))

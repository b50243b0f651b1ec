"""A terminal made of a pipe and a string, a clock that tests turn, questions to ask, and a real server in memory."""

import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from mcp import types
from mcp.server import Server
from mcp.shared.memory import create_client_server_memory_streams
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from allowly_authority.binding import bound_resource, canonical_json
from allowly_harness import ApprovingClientSession
from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.approvers.chat.console import Console
from allowly_harness.chat import run_chat
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification
from allowly_harness.settings import TerminalSettings
from allowly_harness.testing import FakeAuthority
from allowly_harness.workbench.feed import ServerFeed

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")


class Terminal:
    """What the person types and sees, and the time on their clock."""

    def __init__(self, keys: PipeInput, screen: io.StringIO) -> None:
        self._keys = keys
        self._screen = screen
        self._seen = 0
        self.passed_seconds = 0.0

    def type(self, text: str) -> None:
        """Send keys; a line ends with `\\r`."""
        self._keys.send_text(text)

    @property
    def screen(self) -> str:
        """Everything that was written so far, escape sequences of the program included."""
        return self._screen.getvalue()

    @property
    def text(self) -> str:
        """The same without escape sequences."""
        return _ESCAPES.sub("", self.screen).replace("\r", "")

    async def shows(self, text: str) -> None:
        """Wait until `text` was written."""
        with anyio.fail_after(20):
            while text not in self.screen:  # noqa: ASYNC110 - a string raises no event
                await anyio.sleep(0.005)

    async def then(self, text: str) -> str:
        """Wait until `text` was written behind what was awaited before; return what stood between."""
        try:
            with anyio.fail_after(20):
                while (place := self.text.find(text, self._seen)) < 0:  # noqa: ASYNC110 - a string raises no event
                    await anyio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come:\n{self.text[self._seen :]}") from None
        between = self.text[self._seen : place]
        self._seen = place + len(text)
        return between

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed_seconds), lambda: self.passed_seconds)

    def approver(self, **options: Any) -> ChatApprover:
        given = {
            "clock": self.clock(),
            "draw_code": lambda: "k7",
            "terminal": lambda: True,
            "console": Console(quiet_seconds=0.0, burst_seconds=0.0),
        }
        return ChatApprover(**{**given, **options})


@pytest.fixture(autouse=True)
def no_editor_and_a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VISUAL", "EDITOR", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=40, columns=100), term="xterm", enable_cpr=False)
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        yield Terminal(keys, screen)


@pytest.fixture
def question() -> Callable[..., ApprovalRequest]:
    """Make a question that ends 41 s after noon; keywords replace its fields, `arguments` those of its call."""

    def make(*, arguments=None, tool_name="send_email", **fields) -> ApprovalRequest:
        given = {"to": "ada@example.com"} if arguments is None else arguments
        defaults = {
            "kind": "confirm",
            "call": ToolCall("mail", tool_name, given),
            "reason": "scope_requires_user_confirmation",
            "expires_at": NOON + timedelta(seconds=41),
            "server": ServerInfo("mail", "python mail_server.py"),
            "tool": ToolInfo(tool_name),
            "verification": Verification.MATCHED,
        }
        return ApprovalRequest(**{**defaults, **fields})

    return make


def _tool(name: str, schema: dict[str, Any] | None = None, **fields: Any) -> types.Tool:
    return types.Tool(name=name, input_schema={"type": "object", **(schema or {})}, **fields)


def _object(required: tuple[str, ...], **properties: Any) -> dict[str, Any]:
    return {"properties": properties, "required": list(required)}


_TEXT = {"type": "string"}
_MAIL = _object(("to",), to=_TEXT, copies={"type": "integer", "default": 1}, urgency={"enum": ["low", "high"]})
TOOLS = [
    _tool("send_email", _MAIL, description="Send an email.\nAt once."),
    _tool("delete_mailbox", _object(("address",), address=_TEXT), description="Delete it."),
    _tool("transfer", _object(("amount",), amount={"type": "number"})),
    _tool("echo", description="Say it again."),
    _tool("slow", description="Counts."),
    _tool("ask", description="Asks you."),
    _tool("long", description="Says much."),
    _tool("\x1b[2Jodd", description="\x1b]0;owned\x07"),
]


class MailServer:
    """A real low-level server. `send_email` and `delete_mailbox` are guarded; `transfer` is escalated.

    Attributes:
        authority: Where its decisions are on record.
        ran: Every call that entered a tool.
        go_on: Lets `slow` end.
        gone: How many calls of `slow` were cancelled.
        seconds: How long its questions are open.
        needs: What `ask` asks for.
        replies: What it was told.
        text: What `echo` returns.
        hint: What the server says beside a question.
    """

    def __init__(self) -> None:
        self.authority = FakeAuthority()
        self.ran: list[tuple[str, dict[str, Any]]] = []
        self.go_on = anyio.Event()
        self.gone = 0
        self.seconds = 300.0
        self.needs: Any = None
        self.replies: list[Any] = []
        self.text = "done\x1b[2J \u202eevil"
        self.hint = "Send it?"
        self._issued = 0
        self.server = Server(
            "mail",
            on_list_tools=self._list_tools,
            on_call_tool=self._call,
            on_list_resources=self._list_resources,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read,
            on_list_prompts=self._list_prompts,
            on_get_prompt=self._prompt,
        )

    def pending(self) -> list[str]:
        """The questions that the authority holds open."""
        return [name for name, record in self.authority.prompts.items() if record["status"] == "pending"]

    async def _list_tools(self, ctx: Any, params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=TOOLS)

    async def _call(self, ctx: Any, params: types.CallToolRequestParams) -> Any:
        arguments = dict(params.arguments or {})
        if params.name in ("send_email", "delete_mailbox", "transfer"):
            blocked = self._decided(params.name, arguments)
            if blocked is not None:
                text = types.TextContent(type="text", text=json.dumps(blocked))
                return types.CallToolResult(content=[text], structured_content=blocked, is_error=True)
        if params.name == "ask" and params.input_responses is None and self.needs is not None:
            return types.InputRequiredResult(input_requests={"one": self.needs})
        self.replies += list((params.input_responses or {}).values())
        self.ran.append((params.name, arguments))
        return await self._result(ctx, params.name)

    async def _result(self, ctx: Any, name: str) -> types.CallToolResult:
        text = {"long": "line\n" * 200}.get(name, self.text)
        if name == "slow":
            await ctx.session.report_progress(1, 4, "first")
            try:
                await self.go_on.wait()
            except anyio.get_cancelled_exc_class():
                self.gone += 1
                raise
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    def _decided(self, tool: str, arguments: dict[str, Any]) -> dict[str, Any] | None:
        resource = bound_resource(tool, canonical_json(arguments))
        for record in self.authority.prompts.values():
            if record["resource"] == resource and record["status"] == "approved":
                record["status"] = "consumed"
                return None
        self._issued += 1
        if tool == "transfer":
            name = f"esc_{self._issued}"
            self.authority.issue(name, kind="escalate", scope=tool, resource=resource, escalation_to="finance")
            return {
                "decision": "escalate",
                "reason": "escalation_required",
                "escalation_id": name,
                "escalation_to": "finance",
                "escalation_expires_at": None,
            }
        name = f"nonce-{self._issued}"
        self.authority.issue(name, scope=tool, resource=resource, seconds=self.seconds)
        return {
            "decision": "confirm",
            "reason": "scope_requires_user_confirmation",
            "confirm_nonce": name,
            "confirm_prompt_hint": self.hint,
        }

    async def _list_resources(self, ctx: Any, params: Any) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[types.Resource(name="inbox", uri="mail://inbox", title="Inbox")])

    async def _list_templates(self, ctx: Any, params: Any) -> types.ListResourceTemplatesResult:
        template = types.ResourceTemplate(name="letter", uri_template="mail://{folder}/{number}")
        return types.ListResourceTemplatesResult(resource_templates=[template])

    async def _read(self, ctx: Any, params: Any) -> types.ReadResourceResult:
        text = f"contents of {params.uri}\x1b[2J"
        return types.ReadResourceResult(contents=[types.TextResourceContents(uri=params.uri, text=text)])

    async def _list_prompts(self, ctx: Any, params: Any) -> types.ListPromptsResult:
        arguments = [types.PromptArgument(name="to", required=True)]
        return types.ListPromptsResult(prompts=[types.Prompt(name="reply", description="Answers", arguments=arguments)])

    async def _prompt(self, ctx: Any, params: Any) -> types.GetPromptResult:
        content = types.TextContent(type="text", text=f"Write to {(params.arguments or {})['to']}")
        return types.GetPromptResult(messages=[types.PromptMessage(role="user", content=content)])


@pytest.fixture
def mail() -> MailServer:
    return MailServer()


Chat = Callable[..., AbstractAsyncContextManager[Terminal]]


@pytest.fixture
def chat(terminal: Terminal, mail: MailServer) -> Chat:
    """Open the chat prompt on the mail server, run it beside the test, and leave it at the end."""

    @asynccontextmanager
    async def opened(
        *, approver: ChatApprover | None = None, frozen: bool = False, **options: Any
    ) -> AsyncIterator[Terminal]:
        """With `frozen`, all clocks are the test's own."""
        clock = terminal.clock() if frozen else Clock()
        asks = approver or terminal.approver(clock=clock)
        mail.authority.clock = clock.now
        feed = ServerFeed(clock=clock)
        session_options = {name: options.pop(name) for name in ("dangerous", "acting_as") if name in options}
        given = {"history": InMemoryHistory(), "settings": TerminalSettings(notify="off"), "terminal": lambda: True}
        async with (
            create_client_server_memory_streams() as (near, far),
            anyio.create_task_group() as servers,
        ):
            servers.start_soon(lambda: mail.server.run(*far, mail.server.create_initialization_options()))
            async with ApprovingClientSession(
                *near,
                approver=asks,
                authority=mail.authority,
                server="mail",
                clock=clock.now,
                **feed.options,
                **session_options,
            ) as session:
                await session.discover()
                async with anyio.create_task_group() as group:
                    group.start_soon(lambda: run_chat(session, feed=feed, **{**given, **options}))
                    await terminal.then("/help lists the commands")
                    yield terminal
                    group.cancel_scope.cancel()
            servers.cancel_scope.cancel()

    return opened

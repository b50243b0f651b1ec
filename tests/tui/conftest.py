"""A session that asks what it is told to ask, a clock that tests turn, and the app around both."""

import asyncio
import difflib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import anyio
import pytest
from settling import press

from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import Answer, ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification
from allowly_harness.tui.app import HarnessApp
from allowly_harness.tui.approver import TuiApprover
from allowly_harness.tui.main import MainScreen

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SNAPSHOTS = Path(__file__).parent / "snapshots"
UPDATE_VARIABLE = "UPDATE_SNAPSHOTS"


@pytest.fixture
def snapshot() -> Callable[[str, str], None]:
    """Compare a screen's text with `snapshots/NAME.txt`: `snapshot("main_80x24", desk.text)`.

    With `UPDATE_SNAPSHOTS=1` in the environment the files are written instead; look at their diff.
    """

    def compare(name: str, text: str) -> None:
        path = SNAPSHOTS / f"{name}.txt"
        drawn = "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
        if os.environ.get(UPDATE_VARIABLE):
            path.parent.mkdir(exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
            return
        kept = path.read_text(encoding="utf-8") if path.exists() else ""
        if drawn != kept:
            lines = difflib.unified_diff(
                kept.splitlines(), drawn.splitlines(), f"kept {path.name}", "drawn now", lineterm=""
            )
            pytest.fail(f"{UPDATE_VARIABLE}=1 accepts this:\n" + "\n".join(lines), pytrace=False)

    return compare


class Hands:
    """The hands of the clock, in seconds after noon; a key is pressed when they say."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed), lambda: self.passed)


class FakeSession:
    """Lists tools and answers calls; `behave` says how."""

    def __init__(self, approver: TuiApprover, tools: list[SimpleNamespace]) -> None:
        self.server = ServerInfo("mail", "python mail_server.py")
        self.approver = approver
        self.tools = tools
        self.called: list[tuple[str, dict]] = []
        self.behave: Callable = self._at_once
        self.progress: Callable | None = None
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.refuses: Exception | None = None
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["FakeSession"]:
        """Connect; `refuses` says why that fails."""
        if self.refuses is not None:
            raise self.refuses
        self.opened += 1
        self.lost = asyncio.get_running_loop().create_future()
        yield self

    async def until_lost(self) -> str:
        return await self.lost

    async def list_tools(self, *, params=None):
        return SimpleNamespace(tools=self.tools, next_cursor=None)

    async def list_resources(self, *, params=None):
        item = SimpleNamespace(uri="mail://inbox", name="inbox", title="Inbox", description="All mail.", mime_type=None)
        return SimpleNamespace(resources=[item], next_cursor=None)

    async def list_resource_templates(self, *, params=None):
        item = SimpleNamespace(
            uri_template="mail://{folder}/{number}", name="mail", title=None, description=None, mime_type=None
        )
        return SimpleNamespace(resource_templates=[item], next_cursor=None)

    async def list_prompts(self, *, params=None):
        argument = SimpleNamespace(name="to", description="Whom to answer", required=True)
        item = SimpleNamespace(name="draft_reply", title="Draft a reply", description="Writes.", arguments=[argument])
        return SimpleNamespace(prompts=[item], next_cursor=None)

    async def read_resource(self, uri):
        content = SimpleNamespace(uri=uri, mime_type="text/plain", text=f"contents of {uri}\x1b[2J")
        return SimpleNamespace(contents=[content])

    async def get_prompt(self, name, arguments=None):
        block = SimpleNamespace(type="text", text=f"{name} for {arguments}")
        return SimpleNamespace(description=None, messages=[SimpleNamespace(role="user", content=block)])

    async def call_tool(self, name, arguments=None, *, progress_callback=None):
        self.called.append((name, arguments))
        self.progress = progress_callback
        return await self.behave(name, arguments)

    async def _at_once(self, name, arguments):
        return result("done")


def result(text: str, *, is_error: bool = False, outcome: str | None = None) -> SimpleNamespace:
    meta = {"allowly-harness/approval": {"outcome": outcome}} if outcome else None
    block = SimpleNamespace(type="text", text=text)
    return SimpleNamespace(content=[block], is_error=is_error, structured_content=None, meta=meta)


def tool(name: str, description: str = "Does it.", **properties: str) -> SimpleNamespace:
    schema = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
    }
    return SimpleNamespace(name=name, title=None, description=description, input_schema=schema)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def make_result():
    return result


@pytest.fixture
def make_tool():
    return tool


@pytest.fixture
def session_that_fails():
    """Make what has a session refuse to be opened."""

    def make(error: Exception) -> Callable[[FakeSession], None]:
        def refuse(session: FakeSession) -> None:
            session.refuses = error

        return refuse

    return make


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


class Desk:
    """A running app with what a test does to it."""

    def __init__(self, app: HarnessApp, pilot, session: FakeSession, approver: TuiApprover, hands: Hands) -> None:
        self.app = app
        self.pilot = pilot
        self.session = session
        self.approver = approver
        self.hands = hands
        self.answers: list[Answer] = []

    async def ask(self, request: ApprovalRequest) -> None:
        self.answers.append(await self.approver.ask(request))

    async def until(self, condition: Callable[[], object]) -> None:
        with anyio.move_on_after(30):
            while not condition():
                await self.pilot.pause(0.01)
            return
        raise AssertionError(f"it never came to that:\n{self.text}")

    async def press(self, *keys: str, after: float = 0.0) -> None:
        """Press keys `after` seconds of the clock, all at one moment."""
        self.hands.passed += after
        await press(self.pilot, *keys)

    @property
    def main(self) -> MainScreen:
        """The main screen, whatever is on top of it."""
        return self.app._main

    @property
    def card(self) -> str:
        """The name of the screen on top."""
        return type(self.app.screen).__name__

    def local(self, text: str) -> str:
        """Write noon as it is where the test runs, and as it is in Greenwich in the result."""
        return text.replace(NOON.astimezone().strftime("%H:%M"), NOON.strftime("%H:%M"))

    @property
    def text(self) -> str:
        """What is on the screen now, as plain text."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def running(hands, tmp_path):
    """Run an app: `async with running(size=(80, 24)) as desk`."""

    @asynccontextmanager
    async def run(size=(80, 24), *, tools=None, hints=(), log=None, settings=None, prepare=None) -> AsyncIterator[Desk]:
        approver = TuiApprover()
        tools = tools or [tool("send_email", to="string"), tool("delete_mailbox", mailbox="string"), tool("list")]
        session = FakeSession(approver, tools)
        if prepare is not None:
            prepare(session)
        app = HarnessApp(
            session.open,
            approver=approver,
            server=session.server,
            hints=hints,
            server_log=log,
            settings=settings,
            clock=hands.clock(),
            key_time=lambda _: hands.passed,
        )
        async with app.run_test(size=size, notifications=True) as pilot:
            owner = asyncio.create_task(app.own_link())
            desk = Desk(app, pilot, session, approver, hands)
            await desk.until(lambda: desk.main.tools.tools or session.refuses)
            await pilot.pause()
            yield desk
            await app.calls.close()
        approver.detach()
        app.link.stop()
        with anyio.fail_after(20):
            await owner

    return run

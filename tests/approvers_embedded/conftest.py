"""Programs that are not ours, with prompts, screens and keys of their own, and questions to ask in them."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.approvers.chat.console import Console
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Hands:
    """The hands of the clock, in seconds after noon; a key is pressed when they say."""

    def __init__(self) -> None:
        self.passed = 0.0

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed), lambda: self.passed)


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture(autouse=True)
def no_editor_and_a_terminal_that_can_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VISUAL", "EDITOR", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


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


_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b[=>]")


class Terminal:
    """What the person types and sees."""

    def __init__(self, keys: PipeInput, screen: io.StringIO) -> None:
        self._keys = keys
        self._screen = screen
        self._seen = 0

    def type(self, text: str) -> None:
        """Send keys; a line ends with `\\r`."""
        self._keys.send_text(text)

    @property
    def text(self) -> str:
        """Everything that was written so far, without escape sequences."""
        return _ESCAPES.sub("", self._screen.getvalue()).replace("\r", "")

    async def then(self, text: str, seconds: float = 30) -> str:
        """Wait until `text` was written behind what was awaited before; return what stood between."""
        try:
            with anyio.fail_after(seconds):
                while (place := self.text.find(text, self._seen)) < 0:  # noqa: ASYNC110 - a string raises no event
                    await anyio.sleep(0.005)
        except TimeoutError:
            raise AssertionError(f"{text!r} did not come:\n{self.text[self._seen :]}") from None
        between = self.text[self._seen : place]
        self._seen = place + len(text)
        return between

    def approver(self, hands: Hands | None = None, **options: Any) -> ChatApprover:
        clock = hands.clock() if hands else Clock()
        console = Console(quiet_seconds=0.05, burst_seconds=0.0)
        given = {"clock": clock, "draw_code": lambda: "k7", "terminal": lambda: True, "console": console}
        return ChatApprover(**{**given, **options})


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=40, columns=100), term="xterm", enable_cpr=False)
    with create_pipe_input() as keys, create_app_session(input=keys, output=output):
        yield Terminal(keys, screen)

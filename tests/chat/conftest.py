"""A terminal made of a pipe and a string, a clock that tests turn, and questions to ask."""

import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import anyio
import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from allowly_harness.approvers.chat import ChatApprover
from allowly_harness.display.clock import Clock
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Terminal:
    """What the person types and sees, and the time on their clock."""

    def __init__(self, keys: PipeInput, screen: io.StringIO) -> None:
        self._keys = keys
        self._screen = screen
        self.passed_seconds = 0.0

    def type(self, text: str) -> None:
        """Send keys; a line ends with `\\r`."""
        self._keys.send_text(text)

    @property
    def screen(self) -> str:
        """Everything that was written so far, escape sequences of the program included."""
        return self._screen.getvalue()

    async def shows(self, text: str) -> None:
        """Wait until `text` was written."""
        with anyio.fail_after(5):
            while text not in self.screen:  # noqa: ASYNC110 - a string raises no event
                await anyio.sleep(0.005)

    def clock(self) -> Clock:
        return Clock(lambda: NOON + timedelta(seconds=self.passed_seconds), lambda: self.passed_seconds)

    def approver(self, **options) -> ChatApprover:
        return ChatApprover(**{"clock": self.clock(), "draw_code": lambda: "k7", "terminal": lambda: True, **options})


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

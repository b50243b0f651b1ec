"""Put approvals into a Textual app: cards open over its screens, and its screens come back."""

from textual.app import App, ComposeResult
from textual.widgets import Footer, Input, RichLog

from allowly_authority import AuthorityClient
from allowly_harness import connect
from allowly_harness.tui import TuiApprover


class Writer(App[None]):
    """Each line is somebody to write to."""

    AUTO_FOCUS = "Input"
    CSS = "RichLog { border: round green; } Static { color: red; }"
    BINDINGS = (("f2", "open_waiting", "the question that waits"), ("f3", "open_queue", "all that waits"))

    def __init__(self, server: str, base_url: str, key: str, **options: object) -> None:
        super().__init__()
        self.approver = TuiApprover(self, server="mail", draft=self.is_writing, draft_key="f2")
        self.address = {"base_url": base_url, "api_key": key}
        self.server, self.options = server, options

    def compose(self) -> ComposeResult:
        """Compose a log and a line."""
        yield RichLog()
        yield Input(placeholder="write to")
        yield Footer()

    def is_writing(self) -> bool:
        """No question opens over a line that was not sent."""
        return bool(self.query_one(Input).value)

    def action_open_waiting(self) -> None:
        """Open a question in spite of a draft."""
        self.approver.open_waiting()

    def action_open_queue(self) -> None:
        """Show all that waits for the person."""
        self.approver.open_queue()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Start an agent for the line."""
        event.input.clear()
        self.run_worker(self.agent(event.value))

    async def agent(self, to: str) -> None:
        """Your agent, in a worker; tasks and threads are as good."""
        async with (
            AuthorityClient(**self.address) as authority,
            connect(self.server, approver=self.approver, authority=authority, **self.options) as session,
        ):
            result = await session.call_tool("send_email", {"to": to, "subject": "Hi", "body": "Hello"})
        self.query_one(RichLog).write(("failed: " if result.is_error else "done: ") + result.content[0].text)


if __name__ == "__main__":
    import os
    import sys

    Writer(sys.argv[1], os.environ["ALLOWLY_BASE_URL"], os.environ["ALLOWLY_KEY"]).run()

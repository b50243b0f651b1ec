"""The mail server on FastMCP (the `fastmcp` extra)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastmcp import FastMCP

from allowly_demos import settings
from allowly_demos.mailstore import MailStore
from allowly_middleware import AllowlyMCPMiddleware


def build(demo: settings.DemoSettings) -> FastMCP[Any]:
    """Make the server; the guard is added after the tools, which changes nothing."""
    store = MailStore(demo.root)
    server: FastMCP[Any] = FastMCP("mail")

    @server.tool(annotations={"readOnlyHint": True})
    def read_mail(address: str) -> list[dict[str, Any]]:
        """Return the messages in one mailbox."""
        return [asdict(mail) for mail in store.read(address)]

    @server.tool
    def send_email(to: str, subject: str, body: str) -> str:
        """Deliver a message into the mailbox of `to`."""
        return f"delivered {store.deliver(to, subject, body)}"

    @server.tool(annotations={"destructiveHint": True})
    def delete_mailbox(address: str) -> str:
        """Delete a mailbox with everything in it."""
        return f"deleted {store.delete(address)} messages"

    server.add_middleware(
        AllowlyMCPMiddleware(
            demo.api_key,
            demo.authorization_of,
            base_url=demo.base_url,
            user_id_fn=lambda _: settings.current_user(),
            check_timeout_seconds=settings.CHECK_TIMEOUT_SECONDS,
        )
    )
    return server


def main() -> None:
    """Run the server."""
    server = build(settings.load())
    settings.run("mail_fastmcp", lambda: server.run_stdio_async(show_banner=False), server.http_app)


if __name__ == "__main__":
    main()

"""The mail server on `MCPServer`: reading is allowed, sending wants a yes, deleting wants somebody else's.

The tools that matter for that stand here; `mail_tools` and `mail_reading` add what else a server can have.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mcp_types import ToolAnnotations

from allowly_demos import settings
from allowly_demos.mail_reading import MailServer, add_reading
from allowly_demos.mail_tools import add_tools
from allowly_demos.mailfilters import FilterStore
from allowly_demos.mailstore import MailStore
from allowly_middleware import AllowlyMCPMiddleware


def build(demo: settings.DemoSettings) -> MailServer:
    """Make the server: ordinary tools, and one line that guards all of them."""
    store = MailStore(demo.root)
    guard = AllowlyMCPMiddleware(
        demo.api_key,
        demo.authorization_of,
        base_url=demo.base_url,
        user_id_fn=lambda _: settings.current_user(),
        check_timeout_seconds=settings.CHECK_TIMEOUT_SECONDS,
    )
    server = MailServer("mail", store, middleware=[guard])

    @server.tool(title="Read a mailbox", annotations=ToolAnnotations(read_only_hint=True))
    def read_mail(address: str) -> list[dict[str, Any]]:
        """Return the messages in one mailbox."""
        return [asdict(mail) for mail in store.read(address)]

    @server.tool(title="Send an e-mail")
    def send_email(to: str, subject: str, body: str) -> str:
        """Deliver a message into the mailbox of `to`."""
        return f"delivered {store.deliver(to, subject, body)}"

    @server.tool(title="Delete a mailbox", annotations=ToolAnnotations(destructive_hint=True))
    def delete_mailbox(address: str) -> str:
        """Delete a mailbox with everything in it."""
        return f"deleted {store.delete(address)} messages"

    @server.tool(title="Forward all mail")
    def forward_all(source: str, target: str) -> str:
        """Deliver a copy of every message of `source` to `target`. No authorization of the demo covers it."""
        return f"forwarded {len([store.deliver(target, mail.subject, mail.body) for mail in store.read(source)])}"

    add_tools(server, store, FilterStore(demo.root))
    add_reading(server, store)
    return server


def main() -> None:
    """Run the server."""
    server = build(settings.load())
    settings.run("mail", server.run_stdio_async, server.streamable_http_app)


if __name__ == "__main__":
    main()

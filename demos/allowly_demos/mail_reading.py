"""What the mail server offers to read: each mailbox and each message as a resource, and one prompt."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp_types import Resource

from allowly_demos.mailstore import MailError, MailStore

MAIL = "message/rfc822"


class MailServer(MCPServer):
    """An `MCPServer` whose list of resources is the mail that is there at the moment."""

    def __init__(self, name: str, store: MailStore, **options: Any) -> None:
        super().__init__(name, **options)
        self._store = store

    async def list_resources(self) -> list[Resource]:
        """Return every mailbox and every message."""
        found: list[Resource] = []
        for address in self._store.addresses():
            mails = self._store.keys(address)
            about = f"{len(mails)} messages"
            found.append(
                Resource(uri=f"mail://{address}", name=address, description=about, mime_type="application/json")
            )
            found += [
                Resource(uri=f"mail://{address}/{key}", name=f"{address}: {mail.subject}", mime_type=MAIL)
                for key, mail in mails.items()
            ]
        return found


def add_reading(server: MailServer, store: MailStore) -> None:
    """Register the resources and the prompt."""

    @server.resource("mail://{address}", title="A mailbox", mime_type="application/json")
    def mailbox(address: str) -> list[dict[str, Any]]:
        """Every message of a mailbox."""
        try:
            return [asdict(mail) for mail in store.read(address)]
        except MailError as error:
            raise ResourceNotFoundError(str(error)) from None

    @server.resource("mail://{address}/{key}", title="A message", mime_type=MAIL)
    def message(address: str, key: str) -> str:
        """One message as it was delivered."""
        try:
            return store.source(address, key)
        except MailError as error:
            raise ResourceNotFoundError(str(error)) from None

    @server.prompt(title="Draft a reply")
    def draft_reply(address: str, subject: str, tone: str = "friendly") -> str:
        """Ask a model for a reply to a message of a mailbox."""
        found = next((mail for mail in store.read(address) if mail.subject == subject), None)
        quoted = found.body if found else "(there is no message with this subject)"
        return f"Draft a {tone} reply to this message, and send it only when I say so.\n\n{quoted}"

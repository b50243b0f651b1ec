"""Further tools of the mail server: progress, questions of its own, a nested schema, pictures and links."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from datetime import date as Date  # noqa: N812 - the argument that a caller sees is called `date`
from typing import TYPE_CHECKING, Annotated, Final, Literal

import anyio
from mcp.server.mcpserver import (
    AcceptedElicitation,
    CancelledElicitation,
    Context,
    Elicit,
    ElicitationResult,
    Image,
    Resolve,
)
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import (
    ContentBlock,
    ElicitationCapability,
    ElicitRequest,
    ElicitRequestURLParams,
    ElicitResult,
    InputRequiredResult,
    ResourceLink,
    TextContent,
    ToolAnnotations,
    UrlElicitationCapability,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import BaseModel, Field

from allowly_demos.mailfilters import Action, Filter, FilterStore, Match
from allowly_demos.mailstore import MailStore
from allowly_demos.picture import bar_chart

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

SYNC_STEPS: Final = 20
"""How often `sync_mailbox` reports how far it is."""

STEP_SECONDS: Final = 0.1
"""How long each of its steps takes."""

CONNECT_URL: Final = "https://example.com/connect"
"""The page that `connect_account` asks to visit. It belongs to nobody (RFC 2606)."""


class Schedule(BaseModel):
    """What `schedule_mail` asks the person for."""

    date: Date = Field(description="The first day on which it may be delivered.")
    importance: Literal["low", "normal", "high"] = Field(default="normal", description="How important it is.")


def ask_when(to: str, subject: str) -> Elicit[Schedule]:
    """Ask for the day, over either era of the protocol."""
    return Elicit(f"When should {subject!r} go to {to}?", Schedule)


def add_tools(server: MCPServer, store: MailStore, filters: FilterStore) -> None:
    """Register them."""
    _add_sync(server, store, filters)
    _add_schedule(server, store)
    _add_connect(server)
    _add_filter(server, filters)
    _add_picture(server, store)


def _add_sync(server: MCPServer, store: MailStore, filters: FilterStore) -> None:
    @server.tool(title="Synchronise a mailbox", annotations=ToolAnnotations(idempotent_hint=True))
    async def sync_mailbox(address: str, ctx: Context) -> str:
        """Deliver what is due, and say which filters apply. Takes about two seconds; may be cancelled."""
        store.read(address)  # a wrong address is refused before anything is done
        for step in range(SYNC_STEPS):
            await ctx.report_progress(step, SYNC_STEPS, f"looking at part {step + 1} of {SYNC_STEPS}")
            await anyio.sleep(STEP_SECONDS)
        delivered = store.deliver_due(address, datetime.now(UTC).date())
        await ctx.report_progress(SYNC_STEPS, SYNC_STEPS, "done")
        mails = store.read(address)
        fitting = sorted({one.name for mail in mails for one in filters.matching(mail)})
        return f"{len(mails)} messages, {delivered} of them new; filters that apply: {', '.join(fitting) or 'none'}"


def _add_schedule(server: MCPServer, store: MailStore) -> None:
    @server.tool(title="Schedule an e-mail")
    def schedule_mail(
        to: str, subject: str, body: str, when: Annotated[ElicitationResult[Schedule], Resolve(ask_when)]
    ) -> str:
        """Keep a message for a day that the person is asked for. `sync_mailbox` delivers it."""
        if isinstance(when, AcceptedElicitation):
            store.schedule(to, subject, body, when.data.date)
            return f"scheduled for {when.data.date.isoformat()}, importance {when.data.importance}"
        said = "closed the question" if isinstance(when, CancelledElicitation) else "declined to name a day"
        return f"not scheduled: the person {said}"


def _add_connect(server: MCPServer) -> None:
    @server.tool(title="Connect an account", annotations=ToolAnnotations(open_world_hint=True))
    async def connect_account(provider: str, ctx: Context) -> str | InputRequiredResult:
        """Ask the person to visit a web page of the provider. Nothing is sent there by this server."""
        message = f"To connect {provider}, sign in on this page."
        if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            asked = ElicitRequestURLParams(message=message, url=CONNECT_URL)
            answer = (ctx.input_responses or {}).get("visit")
            if answer is None:
                return InputRequiredResult(input_requests={"visit": ElicitRequest(params=asked)}, request_state="visit")
            action = answer.action if isinstance(answer, ElicitResult) else "cancel"
        else:
            capabilities = ctx.client_capabilities
            elicitation: ElicitationCapability | None = capabilities.elicitation if capabilities else None
            if elicitation is None or not isinstance(elicitation.url, UrlElicitationCapability):
                raise ToolError("this client cannot show a web page to a person")
            action = (await ctx.elicit_url(message, CONNECT_URL, secrets.token_hex(8))).action
        return f"the person {'agreed to' if action == 'accept' else 'did not'} visit {CONNECT_URL}"


def _add_filter(server: MCPServer, filters: FilterStore) -> None:
    @server.tool(title="Create a filter")
    def create_filter(
        address: Annotated[str, Field(description="Whose mail it looks at.")],
        name: Annotated[str, Field(min_length=1, max_length=60, description="Replaces a filter of this name.")],
        match: Match,
        actions: Annotated[list[Action], Field(min_length=1, max_length=5, description="What becomes of a match.")],
        priority: Annotated[int, Field(ge=1, le=9, description="9 comes first.")] = 5,
    ) -> str:
        """Keep a filter for a mailbox."""
        count = filters.add(Filter(name=name, address=address, match=match, actions=actions, priority=priority))
        return f"kept; there are {count} filters now"


def _add_picture(server: MCPServer, store: MailStore) -> None:
    @server.tool(title="Show a mailbox", annotations=ToolAnnotations(read_only_hint=True), structured_output=False)
    def show_mailbox(address: str) -> list[ContentBlock]:
        """Return a picture of how long the messages of a mailbox are, and a link to each."""
        mails = store.keys(address)
        chart = bar_chart([len(mail.body) for mail in mails.values()])
        return [
            TextContent(type="text", text=f"{address}: {len(mails)} messages"),
            Image(data=chart, format="png").to_image_content(),
            *(
                ResourceLink(type="resource_link", uri=f"mail://{address}/{key}", name=mail.subject or "(no subject)")
                for key, mail in mails.items()
            ),
        ]

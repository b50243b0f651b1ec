"""What the demo's mail server offers beside its four tools, seen by a plain SDK client in both protocol eras."""

import base64
import struct
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp_types import ElicitRequestURLParams, ElicitResult

from allowly_authority import AuthorityClient, embedded_authority
from allowly_demos.mail_tools import CONNECT_URL
from allowly_demos.mailstore import MailStore
from allowly_demos.picture import bar_chart
from allowly_demos.prepare import ALLOWED, CONFIRMED, ESCALATED, prepare
from allowly_demos.settings import AUTHORIZATION_VARIABLE, current_user

pytestmark = pytest.mark.anyio

ADA = "ada@example.com"
ERAS = {"modern": "auto", "legacy": "legacy"}
FILTER = {
    "address": ADA,
    "name": "invoices",
    "match": {"field": "subject", "contains": "invoice"},
    "actions": [{"do": "label", "label": "money"}, {"do": "notify", "who": ["bob"]}],
}


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return ERAS[request.param]


@pytest.fixture
async def variables(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    """The settings of a mail server whose user may do everything at once."""
    async with (
        embedded_authority(db=tmp_path / "authority.db") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as authority,
    ):
        where: dict[str, Any] = {"base_url": running.base_url, "api_key": running.api_key}
        prepared = await prepare(authority, **where, root=tmp_path / "mail")
        everything = await authority.create_authorization(
            user_id=current_user(),
            agent_id="test",
            scopes=[*ALLOWED, *CONFIRMED, *ESCALATED],
            expires_at=datetime.now(UTC) + timedelta(hours=1),
        )
        yield prepared | {AUTHORIZATION_VARIABLE: everything.authorization_id}


@pytest.fixture
def store(tmp_path: Path) -> MailStore:
    return MailStore(tmp_path / "mail")


@asynccontextmanager
async def opened(variables: dict[str, str], tmp_path: Path, era: str, **options: Any) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "allowly_demos.mail"], env=variables)
    with (tmp_path / "server.log").open("w") as log, anyio.fail_after(60):
        async with Client(stdio_client(parameters, errlog=log), mode=era, **options) as client:
            yield client


def text(result: Any) -> str:
    return " ".join(getattr(block, "text", "") for block in result.content)


async def test_a_synchronisation_reports_how_far_it_is(variables, tmp_path, era, store) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total, message))

    async with opened(variables, tmp_path, era) as client:
        result = await client.call_tool("sync_mailbox", {"address": ADA}, progress_callback=progress)

    assert text(result) == "0 messages, 0 of them new; filters that apply: none"
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[0][1:] == (20, "looking at part 1 of 20")
    assert seen[-1] == (20, 20, "done")


async def test_a_synchronisation_that_is_cancelled_delivers_nothing(variables, tmp_path, store) -> None:
    store.schedule(ADA, "Later", "b", datetime.now(UTC).date())
    begun = anyio.Event()

    async def progress(*_: Any) -> None:
        begun.set()

    async with opened(variables, tmp_path, "legacy") as client:
        async with anyio.create_task_group() as group:
            arguments = {"address": ADA}
            group.start_soon(lambda: client.call_tool("sync_mailbox", arguments, progress_callback=progress))
            await begun.wait()
            group.cancel_scope.cancel()
        # The server still answers, in order: what was cancelled is over.
        listed = await client.call_tool("read_mail", arguments)

    assert listed.structured_content == {"result": []}
    assert store.addresses() == []


@pytest.mark.parametrize(
    "case",
    [
        (ElicitResult(action="accept", content={"date": "2020-01-01"}), "scheduled for 2020-01-01", ["Later"]),
        (ElicitResult(action="decline"), "declined to name a day", []),
        (ElicitResult(action="cancel"), "closed the question", []),
    ],
    ids=["accept", "decline", "cancel"],
)
async def test_scheduling_asks_the_person_for_a_day(variables, tmp_path, era, store, case) -> None:
    reply, says, kept = case
    asked: list[Any] = []

    async def elicit(_: Any, params: Any) -> ElicitResult:
        asked.append(params)
        return reply

    async with opened(variables, tmp_path, era, elicitation_callback=elicit) as client:
        scheduled = await client.call_tool("schedule_mail", {"to": ADA, "subject": "Later", "body": "b"})
        await client.call_tool("sync_mailbox", {"address": ADA})

    assert says in text(scheduled)
    assert len(asked) == 1
    assert asked[0].requested_schema["properties"]["date"] == {
        "description": "The first day on which it may be delivered.",
        "format": "date",
        "title": "Date",
        "type": "string",
    }
    assert [mail.subject for mail in store.read(ADA)] == kept


@pytest.mark.parametrize(("action", "says"), [("accept", "agreed to"), ("decline", "did not"), ("cancel", "did not")])
async def test_connecting_asks_the_person_to_visit_a_page(variables, tmp_path, era, action, says) -> None:
    asked: list[Any] = []

    async def elicit(_: Any, params: Any) -> ElicitResult:
        asked.append(params)
        return ElicitResult(action=action)

    async with opened(variables, tmp_path, era, elicitation_callback=elicit) as client:
        result = await client.call_tool("connect_account", {"provider": "Example"})

    assert isinstance(asked[0], ElicitRequestURLParams)
    assert asked[0].url == CONNECT_URL
    assert says in text(result)


async def test_a_filter_is_kept_and_its_schema_is_nested(variables, tmp_path, store) -> None:
    store.deliver(ADA, "Your invoice", "b")
    async with opened(variables, tmp_path, "auto") as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        kept = await client.call_tool("create_filter", FILTER)
        wrong = await client.call_tool("create_filter", FILTER | {"actions": [{"do": "explode"}]})
        synced = await client.call_tool("sync_mailbox", {"address": ADA})

    schema = listed["create_filter"].input_schema
    assert {"$ref": "#/$defs/Match"}.items() <= schema["properties"]["match"].items()
    assert len(schema["properties"]["actions"]["items"]["oneOf"]) == 3
    assert schema["properties"]["priority"]["default"] == 5
    assert text(kept) == "kept; there are 1 filters now"
    assert wrong.is_error
    assert text(synced).endswith("filters that apply: invoices")


async def test_a_mailbox_is_shown_as_a_picture_with_links_that_can_be_read(variables, tmp_path, store) -> None:
    store.deliver(ADA, "Hello", "short")
    store.deliver(ADA, "Long", "long " * 40)
    async with opened(variables, tmp_path, "auto") as client:
        result = await client.call_tool("show_mailbox", {"address": ADA})
        links = [block for block in result.content if block.type == "resource_link"]
        first = await client.read_resource(links[0].uri)

    kinds = [block.type for block in result.content]
    assert kinds == ["text", "image", "resource_link", "resource_link"]
    assert base64.b64decode(result.content[1].data).startswith(b"\x89PNG\r\n\x1a\n")
    assert {link.name for link in links} == {"Hello", "Long"}
    assert "Subject: " in first.contents[0].text


async def test_mailboxes_and_messages_are_resources_and_there_is_a_prompt(variables, tmp_path, store) -> None:
    store.deliver(ADA, "Hello", "How are you?")
    async with opened(variables, tmp_path, "auto") as client:
        resources = (await client.list_resources()).resources
        folder = await client.read_resource(f"mail://{ADA}")
        prompts = (await client.list_prompts()).prompts
        prompt = await client.get_prompt("draft_reply", {"address": ADA, "subject": "Hello"})
        with pytest.raises(MCPError):
            await client.read_resource("mail://..%2F..%2Fetc/passwd")

    assert [resource.name for resource in resources] == [ADA, f"{ADA}: Hello"]
    assert "How are you?" in folder.contents[0].text
    assert [found.name for found in prompts] == ["draft_reply"]
    assert prompt.messages[0].content.text.endswith("How are you?")


async def test_what_destroys_says_so(variables, tmp_path) -> None:
    async with opened(variables, tmp_path, "auto") as client:
        listed = (await client.list_tools()).tools

    destructive = [tool.name for tool in listed if tool.annotations and tool.annotations.destructive_hint]
    assert destructive == ["delete_mailbox"]


def test_the_picture_is_a_png_that_a_decoder_reads() -> None:
    data = bar_chart([0, 5, 10])

    width, height, depth, colour = struct.unpack(">IIBB", data[16:26])
    length = struct.unpack(">I", data[33:37])[0]
    rows = zlib.decompress(data[41 : 41 + length])
    assert (width, height, depth, colour) == (104, 112, 8, 2)
    assert len(rows) == height * (1 + 3 * width)
    assert bar_chart([])

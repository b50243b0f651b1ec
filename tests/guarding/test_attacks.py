"""What a hostile host, server or agent tries against a guard: nothing hidden is seen, nothing denied is reached."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from guarded_office import TOOLS, Office, call, decision
from mcp import MCPError
from raw_ends import MODERN, RawHost

from allowly_harness.guarding.kept import Kept

pytestmark = pytest.mark.anyio


async def attempt(host: RawHost, method: str, params: Any) -> Any:
    """Return the result of a request, or the error that it got."""
    with anyio.fail_after(20):
        try:
            return await host.request(method, params)
        except MCPError as error:
            return error


@pytest.mark.parametrize("method", ["tools/call", "resources/read", "prompts/get", "vendor/anything"])
async def test_a_request_that_is_sent_as_a_notification_does_not_reach_the_server(office: Office, method: str) -> None:
    """A server that runs tools without looking for an id would run one that nobody has decided on."""
    async with office.host() as host:
        await host.notify(method, {"name": "secret", "uri": "file:///closed/2", "arguments": {}})
        await host.notify("notifications/roots/list_changed")
        with anyio.move_on_after(20):
            await office.server.until_seen("notifications/roots/list_changed")

    assert method not in dict(office.server.seen)


@pytest.mark.parametrize(
    "wanted",
    [
        {"resourceSubscriptions": "file:///closed/2"},
        {"resourceSubscriptions": {"uri": "file:///closed/2"}},
        {"resourceSubscriptions": [["file:///closed/2"]]},
        {"resourceSubscriptions": ["file:///open/1", {"uri": "file:///closed/2"}]},
        ["file:///closed/2"],
        "file:///closed/2",
    ],
)
async def test_a_subscription_that_cannot_be_read_does_not_reach_the_server(office: Office, wanted: Any) -> None:
    office.server.answers["subscriptions/listen"] = {**MODERN}

    async with office.host(modern=True) as host:
        answer = await attempt(host, "subscriptions/listen", {"notifications": wanted})

    assert isinstance(answer, MCPError)
    assert "subscriptions/listen" not in dict(office.server.seen)


@pytest.mark.parametrize(
    "listed",
    [
        ["secret", None, 7, [TOOLS[3]], TOOLS[0]],
        [{"name": None}, {"name": ["secret"]}, {"title": "secret"}, {}, TOOLS[0]],
        [{**TOOLS[3], "annotations": "none"}, {**TOOLS[0], "annotations": ["x"]}],
    ],
    ids=["no objects", "no names", "odd annotations"],
)
async def test_of_a_list_only_what_can_be_decided_on_is_shown(office: Office, listed: list[Any]) -> None:
    office.server.answers["tools/list"] = {"tools": listed}

    async with office.host() as host:
        shown = await attempt(host, "tools/list", {})

    assert [one["name"] for one in shown["tools"]] == ["read"]


@pytest.mark.parametrize("listed", [None, {}, {"secret": TOOLS[3]}, "secret", 7, True])
async def test_what_stands_in_the_place_of_a_list_is_not_shown(office: Office, listed: Any) -> None:
    office.server.answers["tools/list"] = {"tools": listed}

    async with office.host() as host:
        shown = await attempt(host, "tools/list", {})

    assert shown["tools"] == []


async def test_a_template_is_shown_for_what_it_is_and_not_for_another_field(office: Office) -> None:
    office.server.answers["resources/templates/list"] = {
        "resourceTemplates": [
            {"uriTemplate": "file:///closed/{x}", "uri": "file:///open/1", "name": "a"},
            {"uriTemplate": "file:///open/{x}", "uri": "file:///closed/1", "name": "b"},
        ]
    }

    async with office.host() as host:
        shown = await host.request("resources/templates/list")

    assert [one["name"] for one in shown["resourceTemplates"]] == ["b"]


@pytest.mark.parametrize(
    "uri",
    [
        "file:/closed/2",
        "FILE:/closed/2",
        "file://localhost/closed/2",
        "file:///closed%2F2",
        "file:///open/../closed/2",
        "file:///%63losed/2",
        "file:///%2563losed/2",
        "file:///open/..%252Fclosed/2",
        "file:////closed/2",
        "file:///closed//2",
        "file:///./closed/2",
        "file:\\\\\\closed\\2",
        " file:///closed/2",
        "file:///closed/2?x",
        "file:///closed/2#x",
        "file:///clo\nsed/2",
        "file:///clo\tsed/2",
        "url:file:///closed/2",
    ],
)
async def test_no_other_spelling_of_a_denied_resource_is_read(office: Office, uri: str) -> None:
    office.policy = '[resources]\n"files.*" = "allow"\n"files.file:///closed/*" = "deny"\n'

    async with office.host() as host:
        answer = await attempt(host, "resources/read", {"uri": uri})

    assert isinstance(answer, MCPError)
    assert "resources/read" not in dict(office.server.seen)


@pytest.mark.parametrize("kind", ["ref/Resource", "ref/other", "", None, 7])
async def test_a_completion_of_an_unknown_kind_does_not_reach_the_server(office: Office, kind: Any) -> None:
    """What it completes would be read in one way here, and perhaps in another way by the server."""
    office.policy = """
        prompts = { "files.*" = "allow" }
        resources = { "files.*" = "allow", "files.file:///closed/*" = "deny" }
    """
    ref = {"type": kind, "name": "open", "uri": "file:///closed/{x}"}

    async with office.host() as host:
        answer = await attempt(host, "completion/complete", {"ref": ref, "argument": {"name": "x", "value": ""}})

    assert isinstance(answer, MCPError)
    assert "completion/complete" not in dict(office.server.seen)


async def test_invented_names_of_tools_fill_neither_the_authority_nor_the_file(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that grows too long to be read would close the guard for the tools that there are."""
    monkeypatch.setattr("allowly_harness.guarding.kept.MAX_KEPT", 3)

    async with office.host() as host:
        first = decision(await host.request(*call("write")))
        invented = [decision(await host.request(*call(f"invented {number}"))) for number in range(5)]
        long = decision(await host.request(*call("x" * 10_000)))
        again = decision(await host.request(*call("write")))

    kept = json.loads((office.folder / "kept.json").read_text())["authorizations"]
    assert list(kept) == ["confirm invented 3", "confirm invented 4", "confirm write"]
    assert {one["decision"] for one in [first, *invented, again]} == {"confirm"}
    assert long["decision"] == "deny"
    assert office.ran == []


def test_a_file_of_long_names_stays_one_that_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("allowly_harness.guarding.kept.MAX_FILE_BYTES", 4_096)
    path, ends = tmp_path / "kept.json", datetime.now(UTC) + timedelta(days=9)
    kept = Kept(path)

    for number in range(40):
        kept.keep(f"confirm {number} " + "\U0001f600" * 50, f"azn_{number}", ends, timedelta(days=1))

    assert Kept(path).find("confirm 39 " + "\U0001f600" * 50, not_before=datetime.now(UTC)) == "azn_39"
    assert path.stat().st_size <= 4_096

"""A policy that changes while a guard serves: what it hides is hidden at once, and hosts are told to look again."""

from __future__ import annotations

from pathlib import Path

import anyio
import mcp_types as types
import pytest
from guarded_office import Office, call
from raw_ends import MODERN, raw_host, running, serving

from allowly_harness.guarding import open_guard
from allowly_harness.guarding.authorizations import Authorizations
from allowly_harness.guarding.deciding import Decider, Guarded
from allowly_harness.guarding.kept import Kept
from allowly_harness.guarding.rules import Rules
from allowly_harness.protocol.models import ServerInfo
from allowly_middleware.policy.files import PolicyFile

pytestmark = pytest.mark.anyio

CHANGED = "notifications/tools/list_changed"
LISTENING = {"notifications": {"toolsListChanged": True}}


@pytest.fixture(autouse=True)
def offering_tools(office: Office) -> None:
    """Have the server say that it has tools; what it answers, the office says."""
    office.server.low.add_request_handler("tools/list", types.PaginatedRequestParams, _endless)


@pytest.mark.parametrize(("host_era", "server_era"), [("legacy", "legacy"), ("modern", "legacy"), ("modern", "modern")])
async def test_hosts_are_told_that_a_new_policy_hides_other_tools(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host_era: str, server_era: str
) -> None:
    monkeypatch.setattr("allowly_harness.guarding.rules.CHECK_SECONDS", 0.01)
    path, said, modern = tmp_path / "policy.toml", list[str](), host_era == "modern"
    path.write_text('default = "confirm"\n')
    rules = Rules(PolicyFile(path, check_seconds=0), "the policy")
    authorizations = Authorizations(office.authority, Kept(tmp_path / "k.json"), user="ada", agent="g", about="x")
    decider = Decider(Guarded("files", "ada"), rules, office.authority, authorizations, announces=rules.can_change)
    office.server.answers["subscriptions/listen"] = None
    if server_era == "modern":
        office.server.answers["subscriptions/listen"] = _endless

    async with (
        open_guard(lambda: running(office.server.low), decider, server=ServerInfo("f", "x"), era=server_era) as guard,
        raw_host(serving(guard), modern=modern) as host,
        anyio.create_task_group() as group,
    ):
        group.start_soon(rules.follow, said.append, guard.upstreams.announce_lists)
        before = await host.request("tools/list")
        if modern:
            group.start_soon(host.request, "subscriptions/listen", LISTENING)
            with anyio.move_on_after(20):
                await _until_listening(office, guard, server_era)
        path.write_text('default = "confirm"\ntools = { "files.read" = "deny" }\n')
        told = None
        with anyio.move_on_after(20):
            told = await host.until_told(CHANGED)
        after = await host.request("tools/list")
        refused = await host.request(*call("read"))
        group.cancel_scope.cancel()

    names = [{one["name"] for one in shown["tools"]} for shown in (before, after)]
    assert told is not None
    assert names[0] - names[1] == {"read"}
    assert refused["structuredContent"]["decision"] == "deny"
    assert len(said) == 1


async def _endless(*_: object) -> dict[str, object]:
    await anyio.sleep_forever()
    return dict(MODERN)


async def _until_listening(office: Office, guard: object, era: str) -> None:
    if era == "modern":
        await office.server.until_seen("subscriptions/listen")
    await anyio.wait_all_tasks_blocked()


@pytest.mark.parametrize("announces", [True, False])
async def test_a_host_is_promised_changes_only_where_the_policy_can_change(office: Office, *, announces: bool) -> None:
    decider = office.decider(announces=announces)

    async with (
        open_guard(lambda: running(office.server.low), decider, server=ServerInfo("files", "x")) as guard,
        raw_host(serving(guard), modern=False) as host,
    ):
        offered = host.hello["capabilities"]

    assert offered.get("tools", {}).get("listChanged", False) is announces

"""A real headless Chromium, an authority that serves the page, and people with keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
import httpx
import pytest
from browsers import CHROMIUM, SCROLL, chromium, sign_in

from allowly_authority import RunningAuthority, embedded_authority
from allowly_authority.binding import bound_resource, canonical_json

KEY = "allowly_test_key_0123456789abcdef"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class PageClock:
    """The authority's clock: real time, moved by hand."""

    ahead: float = 0.0

    def __call__(self) -> float:
        return datetime.now(UTC).timestamp() + self.ahead


@dataclass
class World:
    """An authority with the page, seen from the API."""

    running: RunningAuthority
    http: httpx.AsyncClient
    clock: PageClock
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"{self.running.base_url}/inbox"

    async def send(self, method: str, path: str, body: Any = None, *, key: str = KEY) -> tuple[int, Any]:
        with anyio.fail_after(10):
            reply = await self.http.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        return reply.status_code, reply.json() if reply.content else {}

    async def key(self, name: str, *roles: str, addresses: tuple[str, ...] = ()) -> str:
        """Make a key for somebody, and return it."""
        body = {"principal_id": name, "roles": roles or ("approver",), "addresses": addresses}
        status, made = await self.send("POST", "/v1/keys", body)
        assert status == 201, made
        self.keys[made["key"]] = made["key_id"]
        return made["key"]

    async def revoke(self, key: str) -> None:
        status, _ = await self.send("DELETE", f"/v1/keys/{self.keys[key]}")
        assert status == 200

    async def ask(
        self,
        arguments: dict[str, Any] | None = None,
        *,
        tool: str = "transfer",
        to: str = "compliance",
        resource: str | None = None,
        user: str = "usr_7",
        agent: str = "pay-bot",
        server: str = "acme-billing",
        show: bool = True,
        quorum: int = 1,
        hours: float = 24,
    ) -> str:
        """Raise an escalation and hand its call in; return its id."""
        canonical = canonical_json(arguments or {})
        body = {
            "user_id": user,
            "agent_id": agent,
            "actions": ["transfer"],
            "expires_at": datetime.fromtimestamp(self.clock() + hours * 3600, UTC).isoformat(),
            "requires_escalation_for": ["transfer"],
            "escalation_targets": {"transfer": to},
        }
        if quorum > 1:
            body["quorum_for"] = {"transfer": quorum}
        status, made = await self.send("POST", "/v1/authorizations", body)
        assert status == 201, made
        check = {
            "authorization_id": made["authorization_id"],
            "actions": ["transfer"],
            "resource": resource or bound_resource(tool, canonical),
        }
        status, checked = await self.send("POST", "/v1/check", check)
        reply = checked["results"]["transfer"]
        assert reply["decision"] == "escalate", checked
        escalation_id = reply["escalation_id"]
        if show and resource is None:
            shown = {"escalation_id": escalation_id, "tool": tool, "arguments": arguments or {}, "server": server}
            status, problem = await self.send("POST", "/v1/prompts/calls", shown)
            assert status in {200, 204}, problem
        return escalation_id

    async def status(self, escalation_id: str) -> dict[str, Any]:
        _, found = await self.send("POST", "/v1/prompts/lookup", {"escalation_id": escalation_id})
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = PageClock()
    async with (
        embedded_authority(db=":memory:", key=KEY, clock=clock, inbox_page=True) as running,
        httpx.AsyncClient(base_url=running.base_url, trust_env=False) as http,
    ):
        yield World(running, http, clock)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Any]:
    """One browser for all tests of a module; each test has a context, with cookies and storage, of its own."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine, so the page is not tried in a browser")
    async with chromium() as launched:
        yield launched


WATCH = """
window.violations = [];
addEventListener('securitypolicyviolation', (event) => {
  window.violations.push(`${event.effectiveDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Visitor:
    """Somebody with a browser window of their own on the page."""

    def __init__(self, context: Any, page: Any, world: World) -> None:
        self.context = context
        self.page = page
        self.world = world
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    async def sign_in(self, key: str) -> None:
        await sign_in(self.page, self.world.url, key)

    async def open(self, name: str = "transfer") -> None:
        """Open the first question of this tool, and wait for its call."""
        await self.page.locator("#list button", has_text=name).first.click()
        await self.page.locator("#card-facts h3").first.wait_for()

    @property
    def approve(self) -> Any:
        return self.page.get_by_role("button", name="Approve", exact=True)

    async def read_all(self) -> None:
        """Scroll through the card."""
        await self.page.evaluate(SCROLL)

    async def read(self) -> None:
        """Scroll through the card, and wait until it can be approved."""
        await self.read_all()
        await self.page.locator("#card-approve[aria-disabled=false]").wait_for()

    async def settle(self) -> None:
        """Wait until whatever waits for the card to stand still is over."""
        await self.page.evaluate("new Promise((resolve) => setTimeout(resolve, 700))")

    async def try_to_approve(self) -> str:
        """Press the button that may be off, and return what it says."""
        await self.approve.click(force=True)
        return await self.page.locator("#card-hint").inner_text()

    async def tab_to(self, selector: str) -> None:
        """Move the focus there as a keyboard does."""
        for _ in range(30):
            if await self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
            await self.page.keyboard.press("Tab")
        pytest.fail(f"{selector} cannot be reached with the Tab key")

    async def hold(self, key: str) -> None:
        """Let a key that was held down before repeat: the browser says so of each."""
        session = await self.context.new_cdp_session(self.page)
        for _ in range(3):
            await session.send(
                "Input.dispatchKeyEvent",
                {
                    "type": "keyDown",
                    "key": key,
                    "code": key,
                    "text": "\r",
                    "windowsVirtualKeyCode": 13,
                    "autoRepeat": True,
                },
            )

    async def outcome(self) -> str:
        """Wait for what the card says at its end, and return it."""
        await self.page.locator("#card-outcome p").first.wait_for()
        return await self.page.locator("#card-outcome").inner_text()

    async def violations(self) -> list[str]:
        return await self.page.evaluate("window.violations")


Visit = Callable[..., Awaitable[Visitor]]


@pytest.fixture
async def visit(browser: Any, world: World) -> AsyncIterator[Visit]:
    """Open a window in a context of its own; what breaks the page's policy, or raises in it, fails the test."""
    visitors: list[Visitor] = []

    async def visited(*, key: str | None = None, **options: Any) -> Visitor:
        context = await browser.new_context(**({"viewport": {"width": 900, "height": 700}} | options))
        context.set_default_timeout(8000)
        await context.add_init_script(WATCH)
        visitor = Visitor(context, await context.new_page(), world)
        visitors.append(visitor)
        if key is not None:
            await visitor.sign_in(key)
        return visitor

    yield visited
    for visitor in visitors:
        found = await visitor.violations() if not visitor.page.is_closed() else []
        await visitor.context.close()
        assert (found or [], visitor.errors) == ([], [])

"""Draws the pictures of these pages from the real program: `python docs/pictures.py`.

A real authority, a real mail server, the real full screen, the page in a real Chromium; only the keyboard is a script.
Where there is no Chromium, the picture of the page stays as it is.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
from textual.pilot import Pilot

from allowly_authority import AuthorityClient, embedded_authority
from allowly_authority.binding import bound_resource, canonical_json
from allowly_demos.prepare import prepare
from allowly_harness import connect
from allowly_harness.approvers.attached import SocketApprover
from allowly_harness.cli.demo import HINTS
from allowly_harness.inbox import AuthorityInbox
from allowly_harness.inbox.holder import identify
from allowly_harness.protocol.models import ApprovalRequest, ServerInfo, ToolCall, ToolInfo, Verification
from allowly_harness.tui import HarnessApp, TuiApprover
from allowly_harness.tui.asking.approval import ApprovalScreen
from allowly_harness.tui.attending.app import ApproveApp
from allowly_harness.tui.inbox.app import InboxApp

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from browsers import CHROMIUM, SCROLL, chromium, sign_in

IMAGES = Path(__file__).parent / "images"
SIZE = (100, 30)
PAGE_SIZE = {"width": 800, "height": 1600}
PAYMENT = {
    "account": "acme-12",
    "amount": 120.5,
    "currency": "EUR",
    "api_key": "hunter22hunter",
    "note": "thank you\nsee you \u202eevil",
}
MAIL = {"to": "ada@example.com", "subject": "Lunch?", "body": "At noon, as usual. I bring the cake."}


async def main() -> None:
    """Draw all pictures."""
    await connected()
    await attending()
    await waiting()
    if CHROMIUM is None:
        print("There is no Chromium: inbox-web.png stays as it is.", file=sys.stderr)
    else:
        await on_the_page()


async def on_the_page() -> None:
    """Open a question on the page of a real authority, read all of it, and save the card."""
    async with (
        embedded_authority(db=":memory:", inbox_page=True) as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as owner,
        chromium() as browser,
    ):
        made = await owner.create_key(principal_id="ada", roles=["approver"], addresses=["finance"])
        escalation_id = await escalate(owner, "billing-bot", "transfer", PAYMENT, to="finance")
        await owner.show_call(
            escalation_id=escalation_id, server="acme-billing", tool="transfer", arguments=canonical_json(PAYMENT)
        )
        page = await browser.new_page(viewport=PAGE_SIZE, locale="en-US", timezone_id="UTC", color_scheme="light")
        await sign_in(page, f"{running.base_url}/inbox", made.key)
        await page.locator("#list button").click()
        await page.locator("#card-facts h3").first.wait_for()
        await page.evaluate(SCROLL)
        await page.locator("#card-approve[aria-disabled=false]").wait_for()
        await page.locator("#card").screenshot(path=IMAGES / "inbox-web.png")


async def waiting() -> None:
    """Let three questions wait for compliance, and save its inbox."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_authority(db=Path(folder) / "authority.db") as running,
            AuthorityClient(base_url=running.base_url, api_key=running.api_key) as owner,
        ):
            made = await owner.create_key(principal_id="ada", roles=["approver"], addresses=["compliance"])
            for agent, tool in (("shop-bot", "refund"), ("ops-bot", "delete_mailbox"), ("mail-bot", "send_newsletter")):
                await escalate(owner, agent, tool)
            async with AuthorityClient(base_url=running.base_url, api_key=made.key) as authority:
                app = InboxApp(AuthorityInbox(authority, await identify(authority)))
                async with anyio.create_task_group() as group:
                    group.start_soon(app.own_inbox)
                    async with app.run_test(size=(100, 16)) as pilot:
                        await until(pilot, lambda: len(app.inbox.items) == 3)  # noqa: PLR2004 - as many as are asked
                        await pilot.pause(1.2)
                        save(pilot, "inbox")
                    group.cancel_scope.cancel()


async def escalate(
    owner: AuthorityClient, agent: str, tool: str, arguments: dict[str, object] | None = None, to: str = "compliance"
) -> str:
    """Let an agent ask for something that somebody else must approve; return the escalation's id."""
    authorization = await owner.create_authorization(
        user_id="user-1017",
        agent_id=agent,
        scopes=[tool],
        expires_at=datetime.now(UTC) + timedelta(days=1),
        requires_escalation_for=[tool],
        escalation_targets={tool: to},
    )
    resource = bound_resource(tool, canonical_json(arguments or {}))
    reply = await owner.check(authorization_id=authorization.authorization_id, scopes=[tool], resource=resource)
    return reply.results[tool].escalation_id or ""


async def attending() -> None:
    """Attach the screen that answers for other processes to two agents, and save it once something waits."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_RUNTIME_DIR"] = folder
        app = ApproveApp(name="ada")
        async with (
            SocketApprover(name="mail-bot") as mail_bot,
            SocketApprover(name="shop-bot") as shop_bot,
            anyio.create_task_group() as group,
        ):
            group.start_soon(app.own_agents)
            async with app.run_test(size=SIZE) as pilot:
                await until(pilot, lambda: "attached" in app.export_screenshot())
                group.start_soon(mail_bot.ask, question("mail", "send_email", MAIL))
                await until(pilot, lambda: isinstance(app.screen, ApprovalScreen))
                await pilot.pause(1.5)
                await pilot.press("d", "enter")
                await until(pilot, lambda: app.history.events)
                group.start_soon(shop_bot.ask, question("shop", "refund", {"order": 1017, "amount": "20.00"}))
                group.start_soon(mail_bot.ask, question("mail", "send_email", MAIL | {"to": "bob@example.com"}))
                for _ in range(2):
                    await until(pilot, lambda: isinstance(app.screen, ApprovalScreen))
                    await pilot.pause(1.5)
                    await pilot.press("escape")
                await until(pilot, lambda: not isinstance(app.screen, ApprovalScreen))
                await pilot.pause(0.5)
                save(pilot, "approve")
            group.cancel_scope.cancel()


def question(server: str, tool: str, arguments: dict[str, object]) -> ApprovalRequest:
    """Make a question that ends in ninety seconds."""
    return ApprovalRequest(
        kind="confirm",
        call=ToolCall(server, tool, arguments),
        reason="scope_requires_user_confirmation",
        expires_at=datetime.now(UTC) + timedelta(seconds=90),
        server=ServerInfo(server),
        tool=ToolInfo(tool),
        verification=Verification.MATCHED,
    )


async def connected() -> None:
    """Start everything, raise a question, and save what is on the screen."""
    approver = TuiApprover()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            embedded_authority(db=Path(folder) / "authority.db") as running,
            AuthorityClient(base_url=running.base_url, api_key=running.api_key) as authority,
        ):
            where = {"base_url": running.base_url, "api_key": running.api_key}
            env = await prepare(authority, **where, root=Path(folder) / "mail")
            log = Path(folder) / "server.log"
            app = HarnessApp(
                lambda: connect("demo:mail", approver=approver, authority=authority, env=env, server_log=log),
                approver=approver,
                hints=HINTS,
                server_log=log,
            )
            async with anyio.create_task_group() as group:
                group.start_soon(app.own_link)
                async with app.run_test(size=SIZE) as pilot:
                    await until(pilot, lambda: "address*" in app.export_screenshot())
                    save(pilot, "main")
                    app.start_call("send_email", MAIL)
                    await until(pilot, lambda: isinstance(app.screen, ApprovalScreen))
                    await pilot.pause(1.5)
                    save(pilot, "approval")
                    await app.calls.close()
                app.link.stop()


async def until(pilot: Pilot[None], condition: Callable[[], object]) -> None:
    """Wait for something to be on the screen."""
    with anyio.fail_after(20):
        while not condition():
            await pilot.pause(0.1)


def save(pilot: Pilot[None], name: str) -> None:
    """Save the screen, without the random names that would make every run differ."""
    svg = pilot.app.export_screenshot(title="allowly-harness")
    prefix = re.search(r"terminal-(\d+)-", svg)
    text = svg.replace(prefix[0], "terminal-") if prefix else svg
    text = re.sub(r"(process(?:&#160;| ))\d+", r"\g<1>4711", text)
    # The pictures load nothing from elsewhere: any monospaced font will do.
    text = re.sub(r"@font-face \{.*?\}", "", text, flags=re.DOTALL)
    (IMAGES / f"{name}.svg").write_text("\n".join(line.rstrip() for line in text.splitlines()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    anyio.run(main)

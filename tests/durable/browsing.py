"""One of the people of a race works in a real headless Chromium, on the authority's page."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import Any

from browsers import SCROLL, chromium, sign_in

MINE = {"You approved this call.": True, "You rejected this call.": False}
ELSEWHERE = re.compile(r"(?:Somebody was|You were) first(?:, in another place)?: (approved|rejected) by (\S+?)\.")


async def answer_on_the_page(
    base_url: str, name: str, key: str, begun: Callable[[], object], coin: Callable[[], bool]
) -> list[dict[str, Any]]:
    """Answer whatever the list shows, anywhere in it, until it is empty; return what the page said of each.

    Args:
        base_url: Of the authority.
        name: Of the person.
        key: Theirs.
        begun: Called once they have answered the first.
        coin: Says what to answer.
    """
    from playwright.async_api import TimeoutError as Late

    told: list[dict[str, Any]] = []
    async with chromium() as browser:
        page = await browser.new_page(viewport={"width": 900, "height": 1000})
        page.set_default_timeout(5000)
        await sign_in(page, f"{base_url}/inbox", key)
        await page.locator("#list button").first.wait_for()
        while waiting := await page.locator("#list button").count():
            row = page.locator("#list button").nth(random.randrange(waiting))  # noqa: S311 - no secret
            try:
                told.append(await _answer(page, row, name, yes=coin()))
            except Late:
                # It was answered elsewhere before it could be opened, or opened as the time for that ended.
                if await page.locator("#card-back").is_visible():
                    await page.locator("#card-back").click()
                continue
            if len(told) == 1:
                begun()
    return told


async def _answer(page: Any, row: Any, name: str, *, yes: bool) -> dict[str, Any]:
    prompt_id = await row.get_attribute("data-id", timeout=300)
    began = time.monotonic()
    await page.locator(f'#list button[data-id="{prompt_id}"]').click(timeout=300)
    outcome = page.locator("#card-outcome p")
    if yes:
        await page.evaluate(SCROLL)
        await page.locator("#card-approve[aria-disabled=false]").or_(outcome).first.wait_for()
    if not await outcome.count():
        press = page.get_by_role("button", name="Approve" if yes else "Reject", exact=True)
        try:
            await press.click(timeout=1000)
        except Exception:  # noqa: BLE001 - the card went inert under the pointer, and says why
            await outcome.first.wait_for()
    await outcome.first.wait_for()
    said = await outcome.first.inner_text()
    await page.locator("#card-back").click()
    times = {"began": began, "ended": time.monotonic()}
    if said in MINE:
        return {"id": prompt_id, "said": MINE[said], "kind": "recorded", "approved": MINE[said], "by": name, **times}
    found = ELSEWHERE.search(said)
    assert found is not None, said
    return {
        "id": prompt_id,
        "said": yes,
        "kind": "earlier",
        "approved": found[1] == "approved",
        "by": found[2],
        **times,
    }

"""A real headless Chromium: the machine's own, none is ever downloaded."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
"""`None` where there is no browser."""

SCROLL = """async () => {
    for (let at = 0; at <= document.body.scrollHeight; at += 200) {
        scrollTo(0, at);
        await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    }
}"""
"""Brings every line of the page before the eye, as a person does who reads it."""

_FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Any]:
    """Run a browser; yields Playwright's `Browser`."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS, chromium_sandbox=False)
        yield launched
        await launched.close()


async def sign_in(page: Any, url: str, key: str) -> None:
    """Sign in to the inbox at a URL."""
    await page.goto(url)
    await page.get_by_label("Your approver key").fill(key)
    await page.get_by_role("button", name="Sign in").click()
    await page.locator("#account").wait_for()

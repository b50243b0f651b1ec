"""The page for newcomers, followed literally: an agent, an inbox and an authority, stopped and started in between."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from browsers import CHROMIUM, SCROLL, chromium, sign_in

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "waiting.md").read_text()
ADDRESS = "http://127.0.0.1:8787"
SECONDS = 60

Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


def block(start: str) -> str:
    """Return the one shell block of the page that holds `start`."""
    found = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if start in text]
    assert len(found) == 1, f"{len(found)} blocks of the page hold {start!r}"
    return found[0].strip()


@pytest.fixture
def folder(user) -> Path:
    shutil.copy(DOCS / "examples" / "waiting_server.py", user.home / "server.py")
    return user.home


@pytest.fixture
def environment(user, program) -> dict[str, str]:
    found = user.environment()
    return found | {"PATH": f"{Path(program).parent}:{found['PATH']}"}


@contextmanager
def authority(folder: Path, environment: dict[str, str], port: str) -> Iterator[str]:
    """Run the authority of the page, on a port of its own, until it is stopped with Ctrl-C."""
    with subprocess.Popen(
        ["sh", "-c", f"exec {block('authority serve')} --port {port}"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())["base_url"]
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=SECONDS)


def yes_in_the_terminal(terminal: Any, program: str, base_url: str, key: str) -> None:
    """Let Carla approve in the inbox of a real terminal."""
    open_in_the_terminal(terminal, program, base_url, key)
    terminal.wait_for("a approve")
    terminal.press("a")
    terminal.wait_for("Press y")
    terminal.read(0.5)
    terminal.press("y")
    terminal.wait_for("Nothing waits")


def yes_in_the_browser(terminal: Any, program: str, base_url: str, key: str) -> None:
    """Let Carla approve on the authority's page, with the same question open in her terminal."""
    open_in_the_terminal(terminal, program, base_url, key)
    anyio.run(approve_on_the_page, base_url, key)
    terminal.wait_for('Approved by "carla"')


def open_in_the_terminal(terminal: Any, program: str, base_url: str, key: str) -> None:
    terminal.start(["env", f"ALLOWLY_BASE_URL={base_url}", f"ALLOWLY_KEY={key}", program, "inbox", "--tui"])
    terminal.wait_for("1 WAITING")
    terminal.press("Enter")
    terminal.wait_for("bob@example.com")


async def approve_on_the_page(base_url: str, key: str) -> None:
    with anyio.fail_after(SECONDS):
        async with chromium() as browser:
            page = await browser.new_page()
            await sign_in(page, f"{base_url}/inbox", key)
            await page.locator("#list button").click()
            assert "bob@example.com" in await page.locator("#card").inner_text()
            await page.evaluate(SCROLL)
            await page.locator("#card-approve[aria-disabled=false]").click()
            await page.get_by_text("You approved this call.").wait_for()


@pytest.mark.terminal
@pytest.mark.parametrize(
    "approves",
    [
        yes_in_the_terminal,
        pytest.param(
            yes_in_the_browser,
            marks=pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
        ),
    ],
)
def test_a_call_is_deferred_everything_is_stopped_and_the_result_comes_after_the_other_person_said_yes(
    approves: Callable[..., None], folder: Path, environment: dict[str, str], terminal, program
) -> None:
    def shell(commands: str, base_url: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", "set -e\n" + commands.replace(ADDRESS, base_url)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    exports = f"export ALLOWLY_BASE_URL={ADDRESS}\n"
    with authority(folder, environment, "0") as base_url:
        prepared = shell(block("keys create mail-gate"), base_url)
        assert prepared.returncode == 0, prepared.stderr
        asked = shell(exports + block("--unattended defer"), base_url)
        assert asked.returncode == 5, asked.stderr
        listed = shell(exports + 'export ALLOWLY_KEY="$(cat ada.key)"\n' + "allowly-harness pending", base_url)
        assert '"compliance"' in listed.stdout
    assert not (folder / "sent.txt").exists()

    with authority(folder, environment, base_url.rpartition(":")[2]) as again:
        assert again == base_url
        key = (folder / "carla.key").read_text().strip()
        approves(terminal, program, base_url, key)

        resumed = shell(block("pending resume"), base_url)
        once_more = shell(block("pending resume").replace('"$TOKEN"', "abcd"), base_url)

    assert (resumed.returncode, resumed.stdout.strip()) == (0, "sent to bob@example.com"), resumed.stderr
    assert once_more.returncode != 0
    assert (folder / "sent.txt").read_text() == "bob@example.com: Hello\n"

"""The page of the docs, as commands and as numbers, on an authority that runs as a program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from allowly_authority.service.holders import MEMORY_SECONDS
from allowly_authority.web.page import sessions, signing_in
from allowly_authority.web.page.stream import CHECK_SECONDS

PAGE = (Path(__file__).parents[3] / "docs" / "inbox-web.md").read_text()


def command(start: str) -> str:
    (found,) = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if start in text]
    return found.strip()


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("more", ["", " --no-inbox-page"])
def test_the_commands_of_the_page_lead_to_a_signed_in_browser(tmp_path: Path, environment, more: str) -> None:
    serving = ["sh", "-c", f"exec {command('authority serve')} --port 0{more}"]
    with subprocess.Popen(
        serving, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        ready = json.loads(process.stdout.readline())
        try:
            making = command("keys create")
            key = Path(ready["key_file"]).read_text().strip()
            told = environment | {"ALLOWLY_KEY": key, "ALLOWLY_BASE_URL": ready["base_url"]}
            subprocess.run(["sh", "-c", making], cwd=tmp_path, env=told, check=True, capture_output=True, timeout=30)
            own = {"Origin": ready["base_url"]}
            url = f"{ready['base_url']}/inbox/session"
            shown = {"key": (tmp_path / "ada.key").read_text().strip()}
            reply = httpx.post(url, json=shown, headers=own, trust_env=False)
        finally:
            process.terminate()
        said = process.communicate(timeout=20)[1]

    assert ready.get("inbox_url") == (None if more else f"{ready['base_url']}/inbox")
    assert (f"{ready['base_url']}/inbox" in said) is not bool(more)
    assert reply.status_code == (403 if more else 200)
    assert shown["key"] not in said


def test_the_numbers_of_the_page_are_those_of_the_code() -> None:
    ends = f"at most {MEMORY_SECONDS + CHECK_SECONDS:.0f} seconds later"
    delays = (
        f"{signing_in.FIRST_DELAY_SECONDS} s, twice as long each time, {signing_in.LONGEST_DELAY_SECONDS:.0f} s at most"
    )
    told = [
        f"| {sessions.IDLE_SECONDS / 60:.0f} minutes |",
        f"| {sessions.LONGEST_SECONDS / 3600:.0f} hours,",
        f"| {sessions.MAX_SESSIONS_OF_ONE}, {sessions.MAX_SESSIONS};",
        delays,
        ends,
    ]

    assert [text for text in told if text not in PAGE] == []

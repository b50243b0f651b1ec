"""What is shown of a call that waits."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from allowly_authority import AuthorityClient, embedded_authority
from allowly_harness.cli.pending_rows import page, questions_of
from allowly_harness.journal.pending import PendingCall, PendingState
from allowly_harness.protocol.models import ToolCall

pytestmark = pytest.mark.anyio

CALL = ToolCall("mail", "send", {"to": "ada@example.com"})


@pytest.mark.parametrize(
    ("server", "shown"),
    [
        ("https://ada:hunter2@mcp.example.com/mcp?token=hunter2", "https://mcp.example.com/mcp in /work"),
        ("https://ada:hunter2@mcp.example.com:none/", "a URL that cannot be read in /work"),
        (["python", "server.py", "--token=hunter2"], "python server.py --token=<7 characters masked> in /work"),
        (["python", "server.py", "\x1b[2Jx"], r"python server.py \x1b[2Jx in /work"),
    ],
)
def test_a_call_that_waits_is_shown_without_the_credentials_of_its_server(server: str | list[str], shown: str) -> None:
    """G7, G8: they are kept as they were typed, since a call that is resumed needs them."""
    reach = json.dumps({"server": server, "env": [], "folder": "/work"})
    at = datetime(2030, 1, 1, tzinfo=UTC)
    waiting = PendingCall("a" * 32, CALL, CALL, False, reach, "confirm", None, at, PendingState.DEFERRED, at)

    lines = list(page(waiting, None))

    assert lines[-1] == f"reached    {shown}"
    assert "hunter2" not in "\n".join(lines)


def test_what_looks_secret_in_the_arguments_of_a_call_that_waits_is_masked_until_it_is_revealed() -> None:
    """G7, G2: revealed, the lines can be read back to the arguments."""
    arguments = {"api_key": "hunter2hunter2", "body": "Hello"}
    call = ToolCall("mail", "send", arguments)
    reach = json.dumps({"server": "https://mcp.example.com", "env": [], "folder": "/work"})
    at = datetime(2030, 1, 1, tzinfo=UTC)
    waiting = PendingCall("a" * 32, call, call, False, reach, "confirm", None, at, PendingState.DEFERRED, at)

    masked = "\n".join(page(waiting, None))
    revealed = list(page(waiting, None, revealed=True))

    assert "hunter2" not in masked
    assert "Hello" in masked
    first = next(at for at, line in enumerate(revealed) if line.startswith("arguments  {"))
    end = revealed.index(" " * 11 + "}")
    assert json.loads("".join(line[11:] for line in revealed[first : end + 1])) == arguments


@pytest.mark.parametrize(
    ("principal", "asked", "over"),
    [
        ("workspace", "still open there", "no longer open there: resume it"),
        ("ada", "still open there", None),
        ("carla", "still open there", "no longer open there: resume it"),
        ("bob", None, None),
    ],
)
async def test_how_a_question_stands_is_said_only_to_a_key_that_would_see_it(
    principal: str, asked: str | None, over: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An approver's key sees what is addressed to its holder, and what was asked for it: nothing else is over."""
    until = datetime.now(UTC) + timedelta(hours=1)
    calls = [ToolCall("mail", "send", {"to": to}) for to in ("asked@example.com", "over@example.com")]
    waiting = [
        PendingCall(name * 32, call, call, False, None, "escalate", "compliance", until, PendingState.DEFERRED, until)
        for name, call in zip("ab", calls, strict=True)
    ]
    async with (
        embedded_authority(db=":memory:") as running,
        AuthorityClient(base_url=running.base_url, api_key=running.api_key) as owner,
    ):
        authorization = await owner.create_authorization(
            user_id="ada",
            agent_id="mail-agent",
            scopes=["send"],
            expires_at=until,
            requires_escalation_for=["send"],
            escalation_targets={"send": "compliance"},
        )
        await owner.check(authorization_id=authorization.authorization_id, scopes=["send"], resource=calls[0].resource)
        addresses = ["compliance"] if principal == "carla" else []
        made = await owner.create_key(
            principal_id=principal.replace("workspace", "x"), roles=["approver"], addresses=addresses
        )
        monkeypatch.setenv("ALLOWLY_BASE_URL", running.base_url)
        monkeypatch.setenv("ALLOWLY_KEY", running.api_key if principal == "workspace" else made.key)

        found = await questions_of(waiting, None)

    said = [found[one.token].words if one.token in found else None for one in waiting]
    assert said == [asked, over]

"""Where there is no session with approvals to resume a call on, that is said, and nothing is sent."""

from __future__ import annotations

from typing import Any

import pytest
from mcp import Client

from allowly_harness.adapters import approving, approving_client, resume_call
from allowly_harness.protocol.errors import PendingError

pytestmark = pytest.mark.anyio

TOKEN = "0" * 32


@pytest.mark.parametrize("target", [None, "server", object()], ids=["nothing", "a name", "an object"])
async def test_what_makes_no_calls_resumes_none(target: Any) -> None:
    with pytest.raises(TypeError, match="no session with approvals"):
        await resume_call(target, TOKEN)


async def test_a_client_resumes_calls_only_while_its_calls_are_approved(office) -> None:
    """G1: outside of the block nobody would be asked."""
    async with Client(office.mcp_server()) as client:
        with approving(client, authority=office.authority), pytest.raises(PendingError, match="journal="):
            await resume_call(client, TOKEN)
        with pytest.raises(TypeError, match="no session with approvals"):
            await resume_call(client, TOKEN)

    assert office.sent == []


async def test_a_client_that_is_not_connected_resumes_nothing(office) -> None:
    client = approving_client(office.fastmcp_server(), authority=office.authority)

    with pytest.raises(RuntimeError, match="not connected"):
        await resume_call(client, TOKEN)

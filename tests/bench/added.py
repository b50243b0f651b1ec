"""What the gate adds to a call, against what the published middleware adds to the same one."""

from __future__ import annotations

from allowly import Allowly
from allowly.mcp import AllowlyMCPMiddleware as PublishedMiddleware
from fastmcp import Client
from processes import PATIENCE_SECONDS, Authority, authority
from sampling import Case, Effort, Samples, measure
from servers import ARGUMENTS, fastmcp, our_gate, ran

TITLE = "added to a FastMCP call: our gate / the middleware of allowly 0.8.0"
TARGET = "<= 0.5"
OPERATIONS = 10


async def samples(effort: Effort) -> Samples:
    """Call the same FastMCP server without a gate, with ours and with theirs; both ask one authority."""
    async with authority() as running:
        ours, theirs = our_gate(running), _theirs(running)
        async with (
            ours,
            Client(fastmcp()) as plain,
            Client(fastmcp(ours)) as with_ours,
            Client(fastmcp(theirs)) as with_theirs,
        ):
            cases = {"no gate": _calls(plain), "ours": _calls(with_ours), "theirs": _calls(with_theirs)}
            measured = await measure(
                cases, lambda one: (one["ours"] - one["no gate"]) / (one["theirs"] - one["no gate"]), effort
            )
        await theirs.aclose()
        return measured


def _calls(client: Client) -> Case:
    async def call() -> None:
        ran(await client.call_tool_mcp("echo", dict(ARGUMENTS)))

    return call


def _theirs(running: Authority) -> PublishedMiddleware:
    middleware = PublishedMiddleware(running.api_key, lambda _: running.authorization_id, user_id_fn=lambda _: "usr_1")
    # Its constructor takes no http URL, not even on this machine; its client does.
    middleware.client = Allowly(
        running.api_key,
        base_url=running.base_url,
        check_timeout_ms=int(PATIENCE_SECONDS * 1000),
        timeout=PATIENCE_SECONDS,
        dangerously_allow_insecure_base_url=True,
    )
    return middleware

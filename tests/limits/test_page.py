"""The examples of the page about limits do what it says, in front of a real server."""

import importlib.util
from pathlib import Path
from types import ModuleType

import anyio
import pytest
from fastmcp import Client

from allowly_middleware.limits import limits, rates, stores
from allowly_middleware.limits.memory import MAX_CELLS
from allowly_middleware.pipeline import CallFacts, Operation, Subject

pytestmark = pytest.mark.anyio
DOCS = Path(__file__).parents[2] / "docs"


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", DOCS / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_the_call_that_is_too_much_does_not_run_and_says_when_it_would():
    server = example("limits_memory")

    with anyio.fail_after(10):
        async with Client(server.mcp) as client:
            mails = [await client.call_tool_mcp("send_email", {"to": "ada"}) for _ in range(6)]
            reads = [await client.call_tool_mcp("read_inbox", {}) for _ in range(26)]

    assert [result.is_error for result in mails] == [False] * 5 + [True]
    assert [result.is_error for result in reads] == [False] * 25 + [True]
    assert "5 per hour of mail.send_*" in mails[5].content[0].text
    assert "30 per minute" in reads[25].content[0].text


async def test_the_limits_in_redis_are_shared(redis_server, monkeypatch, call):
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    with redis_server.blocking() as client:
        client.flushdb()
    one, other = example("limits_redis"), example("limits_redis")

    allowed = [bool(await side.limits.consume(call())) for side in (one, other) for _ in range(20)]

    assert sum(allowed) == 30
    for side in (one, other):
        await side.store.aclose()


def test_the_example_key_counts_tenants_that_the_server_knows():
    by_tenant = example("limits_key").by_tenant
    subjects = [Subject("ada", tenant="x"), Subject("bob", tenant="x"), Subject("eve"), Subject(None, tenant="x")]

    keys = [by_tenant(CallFacts(Operation.TOOL_CALL, "mail", "send", subject=subject)) for subject in subjects]

    assert keys == [("tenant", "x"), ("tenant", "x"), ("no tenant",), ("no tenant",)]


def test_the_page_names_every_bound():
    page = (DOCS / "limits.md").read_text()

    bounds = [rates.MAX_WINDOW_CALLS, rates.MAX_BURST, MAX_CELLS, stores.MAX_CHARGES, limits.MAX_NAME_CHARACTERS]
    assert all(f"{bound:,}" in page for bound in bounds)

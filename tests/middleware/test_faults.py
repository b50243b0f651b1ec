"""G10, fault table F1-F20: whatever the authority does wrong, the tool does not run and the client hears why."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

pytestmark = pytest.mark.anyio
kinds = pytest.mark.parametrize("kind", ["fastmcp", "mcpserver", "lowlevel"])
UNAVAILABLE = {"phase": "before_tool", "unavailable": True}


def http(status: str, body: bytes = b"{}", content_type: str = "application/json", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def allow(authorization_id: str = "auth_ada", scope: str = "send", **more: Any) -> bytes:
    result = {"decision": "allow", "reason": "authorization_granted_scope_active", "receipt": None, **more}
    reply = {"authorization_id": authorization_id, "policy_version": "1", "results": {scope: result}}
    return json.dumps(reply).encode()


@asynccontextmanager
async def faulty(*answers: bytes | None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """An authority on a raw socket: one answer for each connection, the last one for all others.

    `None` never answers, `b""` closes the connection without an answer.
    """
    received: list[bytes] = []

    async def serve(stream: Any) -> None:
        async with stream:
            try:
                request = await stream.receive(1 << 16)
                while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                    request += await stream.receive(1 << 16)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return
            received.append(request)
            answer = answers[min(len(received), len(answers)) - 1]
            if answer is None:
                await anyio.sleep_forever()
            await stream.send(answer)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        host, port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_address)  # noqa: S610 - no Django here
        yield f"http://{host}:{port}", received
        tasks.cancel_scope.cancel()


def closed_port() -> str:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{bound.getsockname()[1]}"


FAULTS = {
    "slow": (None, "timeout"),
    "no answer": (b"", "unreachable"),
    "half an answer": (http("200 OK", allow())[:-9], "unreachable"),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n", "malformed"),
    "401": (http("401 Unauthorized", b'{"error":{"message":"key allowly_test_key"}}'), "key_rejected"),
    "403": (http("403 Forbidden"), "key_rejected"),
    "409": (http("409 Conflict"), "conflict"),
    "422": (http("422 Unprocessable Entity"), "invalid_request"),
    "429": (http("429 Too Many Requests", b"{}", "application/json", "Retry-After: 7"), "rate_limited"),
    "500": (http("500 Internal Server Error", b"Traceback: db down secret", "text/plain"), "unreachable"),
    "redirect": (http("307 Temporary Redirect", b"", "text/plain", "Location: http://127.0.0.1:9/"), "malformed"),
    "HTML": (http("200 OK", b"<html>allow</html>", "text/html"), "malformed"),
    "no JSON": (http("200 OK", b'{"decision": "allow"'), "malformed"),
    "duplicate keys": (
        http("200 OK", allow().replace(b'"allow"', b'"deny", "decision": "allow"')),
        "malformed",
    ),
    "another authorization": (http("200 OK", allow("auth_eve")), "malformed"),
    "another scope": (http("200 OK", allow(scope="other")), "malformed"),
    "another word": (http("200 OK", allow(decision="ALLOW")), "malformed"),
    "no nonce": (http("200 OK", allow(decision="confirm")), "malformed"),
    "no escalation id": (http("200 OK", allow(decision="escalate")), "malformed"),
    "201": (http("201 Created", allow()), "malformed"),
}


@pytest.fixture
def guard(bench: Any) -> Callable[[str], Any]:
    def make(base_url: str, **options: Any) -> Any:
        return bench.guard(
            base_url=base_url,
            api_key="allowly_test_key",
            authorization_id_fn=lambda user_id: f"auth_{user_id}",
            **options,
        )

    return make


async def send(bench: Any, kind: str, mw: Any) -> Any:
    async with bench.client(bench.build(kind, mw)) as client:
        return await bench.call(client, "send", user_id="ada", text="5")


def reason_of(result: Any) -> str:
    """The reason of a deny that is an outage, after its shape was checked."""
    assert result.is_error is True
    payload = json.loads(result.content[0].text)
    assert result.structured_content == payload
    assert list(payload) == ["decision", "reason"]
    assert payload["decision"] == "deny"
    assert result.meta["allowly-middleware/check"] == UNAVAILABLE
    return payload["reason"]


async def test_the_faulty_authority_of_these_tests_can_also_be_right(bench, guard):
    async with faulty(http("200 OK", allow())) as (url, _):
        result = await send(bench, "mcpserver", guard(url))

    assert result.is_error is False
    assert bench.texts() == ["5"]


@kinds
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_authority_is_a_deny_that_names_it(kind, fault, bench, guard, caplog):
    caplog.set_level(logging.DEBUG)
    answer, reason = FAULTS[fault]
    async with faulty(answer) as (url, received):
        result = await send(bench, kind, guard(url, check_timeout_seconds=0.2 if answer is None else 5))

    assert reason_of(result) == f"fallback_closed_{reason}"
    assert received
    assert bench.runs == []
    shown = result.model_dump_json() + "".join(r.getMessage() for r in caplog.records if "allowly" in r.name)
    assert "allowly_test_key" not in shown
    assert "secret" not in shown


@kinds
async def test_an_authority_that_is_down_is_a_deny_that_says_so(kind, bench, guard):
    result = await send(bench, kind, guard(closed_port()))

    assert reason_of(result) == "fallback_closed_unreachable"
    assert bench.runs == []


@pytest.mark.parametrize("first", [b"", http("503 Service Unavailable")], ids=["closed", "503"])
async def test_a_restart_of_the_authority_goes_unnoticed(first, bench, guard):
    """F5, F19: the second try goes out under the same key, so it can use up nothing twice."""
    async with faulty(first, http("200 OK", allow())) as (url, received):
        result = await send(bench, "mcpserver", guard(url, check_timeout_seconds=5))

    assert result.is_error is False
    assert bench.texts() == ["5"]
    assert (
        len(
            {
                line
                for request in received
                for line in request.split(b"\r\n")
                if line.lower().startswith(b"idempotency-key")
            }
        )
        == 1
    )


async def test_a_refusal_is_not_repeated(bench, guard):
    async with faulty(http("429 Too Many Requests")) as (url, received):
        await send(bench, "mcpserver", guard(url))

    assert len(received) == 1


@pytest.mark.parametrize("broken", ["user_id_fn", "authorization_id_fn", "check_input_fn"])
@kinds
async def test_a_callback_that_raises_leaks_nothing(kind, broken, bench, caplog):
    caplog.set_level(logging.DEBUG)

    def raises(_: Any) -> Any:
        raise RuntimeError("db down secret")

    async with bench.client(bench.build(kind, bench.guard(**{broken: raises}))) as client:
        result = await bench.call(client, "send", user_id="ada", text="5")

    assert reason_of(result) == broken.replace("_fn", "_unavailable")
    assert "secret" not in result.model_dump_json() + caplog.text
    assert bench.runs == []


class Broken:
    """A client with a bug of its own."""

    async def check(self, **_: Any) -> Any:
        raise KeyError("db down secret")


async def test_a_bug_below_the_gate_is_a_deny_too(bench, caplog):
    result = await send(bench, "mcpserver", bench.guard(authority=Broken()))

    assert reason_of(result) == "fallback_closed_error"
    assert "secret" not in caplog.text
    assert bench.runs == []


async def test_a_cancelled_call_does_not_run_later(bench, guard):
    asked = anyio.Event()

    def authorization_id(user_id: str) -> str:
        asked.set()
        return user_id

    async with (
        faulty(None) as (url, _),
        bench.client(
            bench.build(
                "mcpserver", bench.guard(base_url=url, authorization_id_fn=authorization_id, check_timeout_seconds=5)
            )
        ) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(lambda: bench.call(client, "send", user_id="ada", text="5"))
        with anyio.fail_after(20):
            await asked.wait()
        tasks.cancel_scope.cancel()

    assert bench.runs == []

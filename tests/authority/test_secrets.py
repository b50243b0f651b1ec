"""G7: keys, nonces and idempotency keys appear in no log, traceback, repr or database file."""

from __future__ import annotations

import asyncio
import logging
import traceback
from pathlib import Path

import anyio
import pytest

from allowly_authority import AuthorityClient, AuthorityError, embedded_authority
from allowly_authority.service.authority import Authority

pytestmark = pytest.mark.anyio

KEY = "allowly_canary_key_0123456789abcdef"
NONCE = "CanaryNonce0123456789CanaryNonce"


def shown(error: BaseException) -> str:
    """All that a traceback with local variables shows of this package's own frames."""
    trace = traceback.TracebackException.from_exception(error, capture_locals=True)
    parts = [str(error), repr(error), repr(error.__dict__)]
    while trace is not None:
        for frame in trace.stack:
            if "allowly_authority" in frame.filename:
                parts += [f"{name}={value}" for name, value in (frame.locals or {}).items()]
        trace = trace.__cause__ or trace.__context__
    return "\n".join(parts)


async def canned(reply: bytes):
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        await writer.drain()
        writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


ECHO = f'{{"error":{{"code":"{NONCE}","message":"{KEY} {NONCE}"}}}}'.encode()


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 409, 410, 422, 429, 500, None])
async def test_errors_and_logs_show_no_secret_even_where_the_server_echoes_them(status, caplog):
    caplog.set_level(logging.DEBUG)
    head = f"HTTP/1.1 {status} {NONCE}\r\nContent-Type: application/json\r\nLocation: /{NONCE}\r\n"
    reply = b"" if status is None else head.encode() + f"Content-Length: {len(ECHO)}\r\n\r\n".encode() + ECHO
    server = await canned(reply)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    texts = []

    with anyio.fail_after(10):
        async with AuthorityClient(base_url=base_url, api_key=KEY) as client:
            texts += [repr(client), str(client)]
            for call in (
                lambda: client.settle_confirmation(NONCE, approved=True, idempotency_key="call-1"),
                lambda: client.lookup_prompt(nonce=NONCE),
                lambda: client.check(authorization_id="auth_1", scopes=["read"]),
            ):
                with pytest.raises(AuthorityError) as failure:
                    await call()
                texts.append(shown(failure.value))
    server.close()

    for text in [*texts, caplog.text]:
        assert KEY not in text
        assert NONCE not in text


async def test_unusable_identifiers_are_refused_without_being_shown(caplog):
    caplog.set_level(logging.DEBUG)
    bad = f"{NONCE}/../x"
    async with AuthorityClient(base_url="http://127.0.0.1:9", api_key=KEY) as client:
        for call in (
            lambda: client.settle_confirmation(bad, approved=True),
            lambda: client.lookup_prompt(nonce=bad),
        ):
            with pytest.raises(AuthorityError) as failure:
                await call()
            assert bad not in str(failure.value)
            assert bad not in repr(failure.value)
            assert failure.value.__context__ is None

    assert NONCE not in caplog.text


async def test_the_server_neither_logs_nor_stores_a_nonce_or_the_key(tmp_path: Path, grant_on, caplog):
    caplog.set_level(logging.DEBUG)
    async with embedded_authority(db=tmp_path / "a.db", key=KEY) as running:
        assert KEY not in repr(running)
        async with AuthorityClient(base_url=running.base_url, api_key=KEY, check_timeout_seconds=10) as client:
            authorization_id = await grant_on(client)
            reply = await client.check(authorization_id=authorization_id, scopes=["send"], idempotency_key=NONCE)
            nonce = reply.results["send"].confirm_nonce
            assert nonce is not None
            assert nonce not in repr(reply)
            again = await client.check(authorization_id=authorization_id, scopes=["send"], idempotency_key=NONCE)
            assert again == reply
            await client.settle_confirmation(nonce, approved=True)
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())  # noqa: ASYNC240 - small local files

    assert len(nonce) * 6 >= 128
    for secret in (nonce, KEY, NONCE):
        assert secret.encode() not in stored
        assert secret not in caplog.text


async def test_nonces_made_under_another_key_are_not_given_out_again(tmp_path: Path, grant_on):
    async with (
        embedded_authority(db=tmp_path / "a.db", key=KEY) as running,
        AuthorityClient(base_url=running.base_url, api_key=KEY, check_timeout_seconds=10) as client,
    ):
        authorization_id = await grant_on(client)
        await client.check(authorization_id=authorization_id, scopes=["send"], idempotency_key="call-1")

    other = f"{KEY}_other"
    async with (
        embedded_authority(db=tmp_path / "a.db", key=other) as running,
        AuthorityClient(base_url=running.base_url, api_key=other, check_timeout_seconds=10) as client,
    ):
        with pytest.raises(AuthorityError, match="409"):
            await client.check(authorization_id=authorization_id, scopes=["send"], idempotency_key="call-1")


async def test_an_error_in_the_server_is_logged_by_its_route_and_not_by_its_path(tmp_path, caplog, monkeypatch):
    async def fail(*_: object) -> None:
        raise RuntimeError("something broke")

    monkeypatch.setattr(Authority, "settle", fail)
    async with (
        embedded_authority(db=":memory:", key=KEY) as running,
        AuthorityClient(base_url=running.base_url, api_key=KEY) as client,
    ):
        with pytest.raises(AuthorityError, match="500"):
            await client.settle_confirmation(NONCE, approved=True)

    assert "POST /v1/confirmations/{nonce}" in caplog.text
    assert NONCE not in caplog.text

"""How often a standing server collects, and that a header is read as Starlette reads it."""

from __future__ import annotations

import gc

import pytest
from starlette.requests import Request

from allowly_authority.collecting import OBJECTS_BETWEEN, collecting_rarely
from allowly_authority.engine.principals import ANYBODY
from allowly_authority.web.reading import idempotency_key, read_body

pytestmark = pytest.mark.anyio


def test_cycles_are_collected_less_often_within_the_block_and_as_before_after_it() -> None:
    before, frozen = gc.get_threshold(), gc.get_freeze_count()

    with collecting_rarely():
        assert gc.get_threshold() == (OBJECTS_BETWEEN, *before[1:])
        assert gc.get_freeze_count() > frozen

    assert gc.get_threshold() == before
    assert gc.isenabled()


KEYS = [
    [],
    [(b"idempotency-key", b"one")],
    [(b"idempotency-key", b"one"), (b"idempotency-key", b"two")],
    [(b"x-idempotency-key", b"one"), (b"idempotency-key", b"two")],
]


@pytest.mark.parametrize("headers", KEYS)
def test_the_idempotency_key_is_the_one_that_starlette_finds(headers: list[tuple[bytes, bytes]]) -> None:
    request = _request(headers)

    assert idempotency_key(request) == request.headers.get("idempotency-key")


@pytest.mark.parametrize(
    "content_type", [b"application/json", b"Application/JSON; charset=utf-8", b" application/json "]
)
async def test_a_body_is_read_under_every_spelling_of_its_type(content_type: bytes) -> None:
    request = _request([(b"content-type", content_type), (b"content-type", b"text/plain")], b'{"a":1}')

    assert await read_body(request, lambda value: value) == {"a": 1}


def _request(headers: list[tuple[bytes, bytes]], body: bytes = b"") -> Request:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({"type": "http", "headers": headers, "state": {"principal": ANYBODY}}, receive)

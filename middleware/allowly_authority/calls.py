"""The client's requests, prepared and checked before anything is sent.

A `Call` holds nonces, so it shows neither its path nor its body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from allowly_authority.addresses import path_segment
from allowly_authority.errors import InvalidRequest
from allowly_authority.identifiers import is_usable_id
from allowly_authority.wire.scalars import MAX_TTL_SECONDS

CHECK_PATH: Final = "/v1/check"
"""Where checks are sent."""

MAX_IDEMPOTENCY_KEY_CHARACTERS: Final = 255
"""Longest `Idempotency-Key`, printable ASCII."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        expected: The one status that means success.
        lookup: Whether this is a read that not every authority offers.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str = field(repr=False)
    content: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = field(default=None, repr=False)
    expected: int = 200
    lookup: bool = False

    @classmethod
    def get(cls, before: str, identifier: str, after: str = "") -> Self:
        """Prepare a read of one thing.

        Raises:
            InvalidRequest: The identifier has an unusable form.
        """
        return cls("GET", f"{before}/{path_segment(identifier)}{after}")

    @classmethod
    def post(
        cls, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None, expected: int = 200
    ) -> Self:
        """Prepare a change.

        Raises:
            InvalidRequest: The body has no JSON form, or the key is unusable.
        """
        return cls("POST", path, encoded(body), _checked_key(idempotency_key), expected)


def settle_call(nonce: str, *, approved: bool, ttl_seconds: int, idempotency_key: str | None) -> Call:
    """Prepare the answer to a confirmation.

    Raises:
        InvalidRequest: The nonce has an unusable form, or the window is not 1 to 300 seconds.
    """
    if not 1 <= ttl_seconds <= MAX_TTL_SECONDS:
        del nonce
        raise InvalidRequest(f"ttl_seconds must be 1 to {MAX_TTL_SECONDS}.")
    body = {"approved": approved, "ttl_seconds": ttl_seconds}
    return Call.post(f"/v1/confirmations/{path_segment(nonce)}", body, idempotency_key=idempotency_key)


def lookup_call(nonce: str | None, escalation_id: str | None) -> Call:
    """Prepare the read of the authority's record of a question.

    Raises:
        InvalidRequest: Not exactly one of both is given, or it has an unusable form.
    """
    body = lookup_body(nonce, escalation_id)
    del nonce
    return Call("POST", "/v1/prompts/lookup", encoded(body), lookup=True)


def lookup_body(nonce: str | None, escalation_id: str | None) -> dict[str, Any]:
    """Name a question by its nonce or the id of its escalation.

    Raises:
        InvalidRequest: Not exactly one of both is given, or it has an unusable form.
    """
    name, value = ("nonce", nonce) if escalation_id is None else ("escalation_id", escalation_id)
    usable = (nonce is None) != (escalation_id is None) and is_usable_id(value)
    if not usable:
        del nonce, value
        raise InvalidRequest("Exactly one of nonce and escalation_id must be given, in a usable form.")
    return {name: value}


def bearer(api_key: str) -> str:
    """Return the `Authorization` header of a key.

    Raises:
        ValueError: The key is empty or would not stay in its header.
    """
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key must be printable ASCII without spaces")
    return f"Bearer {api_key}"


def encoded(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON in UTF-8.

    Raises:
        InvalidRequest: It has no JSON form.
    """
    try:
        return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError):
        pass
    raise InvalidRequest("The request has no JSON form.")


def _checked_key(key: str | None) -> str | None:
    if key is None or (0 < len(key) <= MAX_IDEMPOTENCY_KEY_CHARACTERS and key.isascii() and key.isprintable()):
        return key
    raise InvalidRequest(f"An idempotency key has 1 to {MAX_IDEMPOTENCY_KEY_CHARACTERS} printable ASCII characters.")

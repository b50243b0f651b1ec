"""The state of a question between two legs, sealed: the client carries it, and can neither read nor change it.

It is sealed here on every server. MCPServer and FastMCP seal the state of a call a second time; a
low-level `Server` seals nothing by itself, and what its author adds may stand in front of the gate or
behind it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol, cast

STATE_PREFIX: Final = "allowly-1."
"""How a state of ours begins. A state of the tool that begins like this is sealed too, so that the two never mix."""

MAX_STATE_CHARACTERS: Final = 256 * 1024
"""Longest state of ours that is sent or opened."""

MIN_KEY_BYTES: Final = 32
"""Shortest key that states may be sealed with."""

_LABEL: Final = b"allowly-middleware/request-state"
_QUESTION: Final = "question"
_CARRIED: Final = "carried"


class Codec(Protocol):
    """Authenticated encryption; the SDK's `RequestStateCodec`."""

    def seal(self, payload: bytes) -> str:
        """Return an opaque text that protects `payload`."""
        ...

    def unseal(self, token: str) -> bytes:
        """Reverse `seal`, or raise for anything that it did not make."""
        ...


@dataclass(frozen=True, slots=True)
class Leg:
    """What one request brings back of an earlier answer of the server; both are `None` for a first leg."""

    state: str | None = None
    responses: Any = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A question that was put to the client.

    Attributes:
        payload: The authority's decision, its nonce included.
        binding: Digest of what the answer is good for: user, authorization, scope, resource, tool and arguments.
        until: When the question ends, in seconds since 1970.
        word: What must be typed for a yes; "" for nothing.
        round: The how many-th question about this call it is, from 1.
        leg: What the tool would have been given when the question came up.
    """

    payload: dict[str, Any] = field(repr=False)
    binding: str = field(repr=False)
    until: float
    word: str
    round: int
    leg: Leg


class SealedStates:
    """Seals and opens states.

    Args:
        codec: Does the encryption.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec

    def seal(self, asked: Asked) -> str | None:
        """Return the state of a question; `None` if it is too large, or what the tool was brought is no JSON."""
        try:
            state = self._sealed({"kind": _QUESTION, **asdict(asked)})
        except (TypeError, ValueError, RecursionError):
            return None
        return state if len(state) <= MAX_STATE_CHARACTERS else None

    def question(self, state: str | None) -> Asked | None:
        """Return the question of a state; `None` if it is not ours, was changed, or was sealed with another key."""
        claims = self._opened(state)
        if claims is None or claims.pop("kind", None) != _QUESTION:
            return None
        leg = Leg(**claims.pop("leg"))
        return Asked(**claims, leg=leg)

    def for_client(self, state: str) -> str:
        """Return a state of the tool as the client is to carry it."""
        return self._sealed({"kind": _CARRIED, "state": state}) if is_ours(state) else state

    def for_tool(self, state: str) -> str | None:
        """Return the tool's own state out of one that begins like ours; `None` if there is none in it."""
        claims = self._opened(state)
        return claims["state"] if claims is not None and claims.get("kind") == _CARRIED else None

    def _sealed(self, claims: dict[str, Any]) -> str:
        return STATE_PREFIX + self._codec.seal(json.dumps(claims, allow_nan=False).encode())

    def _opened(self, state: str | None) -> dict[str, Any] | None:
        if state is None or not is_ours(state) or len(state) > 2 * MAX_STATE_CHARACTERS:
            return None
        try:
            sealed = self._codec.unseal(state.removeprefix(STATE_PREFIX))
        except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not a state of ours
            return None
        # What opens was written here, so its form needs no second look.
        return cast("dict[str, Any]", json.loads(sealed))


def is_ours(state: str | None) -> bool:
    """Whether a state begins like ours. That is no proof of anything."""
    return state is not None and state.startswith(STATE_PREFIX)


def derived_keys(keys: Sequence[bytes | str]) -> list[bytes]:
    """Return keys for our states alone, so that a secret may be shared with other uses.

    Args:
        keys: Secrets of at least `MIN_KEY_BYTES`; the first one seals, all of them open.

    Raises:
        ValueError: There is none, or one is too short.
    """
    if isinstance(keys, str | bytes) or not keys:
        raise ValueError("state_keys must be a list of at least one key")
    secrets = [key.encode() if isinstance(key, str) else bytes(key) for key in keys]
    if any(len(secret) < MIN_KEY_BYTES for secret in secrets):
        raise ValueError(f"each of state_keys must have at least {MIN_KEY_BYTES} bytes")
    return [hmac.digest(secret, _LABEL, "sha256") for secret in secrets]

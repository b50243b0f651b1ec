"""The keys of a workspace, one after the other in time, and the document that publishes their public halves.

A receipt is signed by the key whose time covers the moment of the decision, not the moment of signing: a verifier
compares the two. So the windows follow each other without a gap, and the private half of a retired key is kept for
receipts that are not signed yet, unless the key was given away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from allowly_authority.receipts.claims import LATEST_MS, ReceiptClaims, ReceiptError
from allowly_authority.receipts.jws import SignedReceipt, encode, sign
from allowly_authority.wire.keys import public_keys
from allowly_authority.wire.scalars import format_timestamp

ROTATION_LEAD_MS: Final = 60_000
"""How long before its first receipt a new key is published: every process and every verifier can read it by then."""

MAX_KEYS: Final = 1000
"""Most keys of a workspace, retired ones included."""

_KEY_BYTES: Final = 32


class NoSigningKey(Exception):
    """No key can sign a receipt of that time. It stays pending."""


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A key and its time.

    Attributes:
        public: The public half, 32 bytes.
        active_from_ms: The first millisecond since 1970 whose receipts it signs.
        active_until_ms: The first one whose receipts it no longer signs; `None` while there is no successor.
        private: The private half; `None` once it was destroyed.
    """

    public: bytes
    active_from_ms: int
    active_until_ms: int | None = None
    private: Ed25519PrivateKey | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.public) != _KEY_BYTES:
            raise ValueError("a public key has 32 bytes")
        until = LATEST_MS if self.active_until_ms is None else self.active_until_ms
        if not 0 <= self.active_from_ms < until <= LATEST_MS:
            raise ValueError("the time of a key must not be empty, and must lie between 1970 and 9999")
        if self.private is not None and self.private.public_key().public_bytes_raw() != self.public:
            raise ValueError("the two halves of a key must belong together")

    @classmethod
    def generate(cls, active_from_ms: int) -> Self:
        """Make a key from the system's random numbers."""
        return cls.from_private(Ed25519PrivateKey.generate(), active_from_ms)

    @classmethod
    def from_private(cls, private: Ed25519PrivateKey, active_from_ms: int) -> Self:
        """Make a key of a private half that exists."""
        return cls(private.public_key().public_bytes_raw(), active_from_ms, private=private)

    @property
    def fingerprint(self) -> str:
        """`sha256:` and the digest of the public half: what a verifier pins."""
        return f"sha256:{hashlib.sha256(self.public).hexdigest()}"

    @property
    def key_id(self) -> str:
        """The name of the key, 128 bits of its fingerprint: it cannot be given to another key."""
        return f"rk_{hashlib.sha256(self.public).hexdigest()[:32]}"

    def covers(self, moment_ms: int) -> bool:
        """Tell whether receipts of a moment are signed with it."""
        return self.active_from_ms <= moment_ms and (self.active_until_ms is None or moment_ms < self.active_until_ms)

    def sign(self, data: bytes) -> bytes:
        """Return the signature, 64 bytes. The same data has the same signature always.

        Raises:
            NoSigningKey: The private half was destroyed.
        """
        if self.private is None:
            raise NoSigningKey("the private key of that time was destroyed")
        return self.private.sign(data)

    def item(self) -> dict[str, Any]:
        """Return its entry in the public document."""
        until = self.active_until_ms
        return {
            "key_id": self.key_id,
            "alg": "Ed25519",
            "public_key": encode(self.public),
            "active_from": format_timestamp(self.active_from_ms),
            "active_until": None if until is None else format_timestamp(until),
            "public_key_fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys that a workspace has had, oldest first.

    Attributes:
        workspace_id: What receipts name as their workspace.
        keys: At least one; each begins where the one before it ends, and the last has no end.
    """

    workspace_id: str
    keys: tuple[ReceiptKey, ...]

    def __post_init__(self) -> None:
        if not self.workspace_id:
            raise ValueError("a workspace has an id")
        if not 1 <= len(self.keys) <= MAX_KEYS:
            raise ValueError(f"a workspace has 1 to {MAX_KEYS} keys")
        if len({key.public for key in self.keys}) != len(self.keys):
            raise ValueError("a key stands there twice")
        if any(before.active_until_ms != after.active_from_ms for before, after in self._neighbours()):
            raise ValueError("each key must begin where the one before it ends")
        if self.current.active_until_ms is not None or self.current.private is None:
            raise ValueError("the last key must have a private half and no end")

    @classmethod
    def new(cls, workspace_id: str, active_from_ms: int) -> Self:
        """Make a ring with its first key.

        Args:
            workspace_id: What receipts name as their workspace.
            active_from_ms: Milliseconds since 1970; decisions before it can never be signed.
        """
        return cls(workspace_id, (ReceiptKey.generate(active_from_ms),))

    @property
    def current(self) -> ReceiptKey:
        """The last key. Between a rotation and its lead it does not sign yet."""
        return self.keys[-1]

    def key_at(self, moment_ms: int) -> ReceiptKey:
        """Return the key that signs what was decided at a moment.

        Raises:
            NoSigningKey: It was before the first key.
        """
        for key in reversed(self.keys):
            if key.covers(moment_ms):
                return key
        raise NoSigningKey("there was no key at that time")

    def sign(self, claims: ReceiptClaims) -> SignedReceipt:
        """Sign a receipt. Signing the same content again gives the same receipt.

        Raises:
            ReceiptError: A verifier would refuse it.
            NoSigningKey: No key can sign what was decided at that time.
        """
        payload = claims.payload(self.workspace_id)
        return sign(payload, self.key_at(claims.issued_ms))

    def rotated(self, now_ms: int, *, compromised: bool = False) -> Self:
        """Return a ring with one key more.

        Args:
            now_ms: Milliseconds since 1970. The new key begins `ROTATION_LEAD_MS` later.
            compromised: The keys were given away: they end at once, all private halves are destroyed, and what they
                have not signed yet is never signed. Verifiers must be told: they still accept what these keys
                signed, also what a thief dates back.

        Raises:
            ReceiptError: The last key has not begun yet, or there is no room for another one.
        """
        if len(self.keys) == MAX_KEYS:
            raise ReceiptError(f"a workspace has at most {MAX_KEYS} keys")
        # A key that has not begun has signed nothing, and is dropped with those that were given away.
        begun = tuple([key for key in self.keys if key.active_from_ms < now_ms]) if compromised else self.keys
        if not begun or now_ms <= begun[-1].active_from_ms:
            raise ReceiptError("the last key has not begun yet")
        begins = now_ms if compromised else now_ms + ROTATION_LEAD_MS
        kept = tuple([replace(key, private=None) for key in begun]) if compromised else begun
        return replace(self, keys=(*kept[:-1], replace(kept[-1], active_until_ms=begins), ReceiptKey.generate(begins)))

    def document(self) -> dict[str, Any]:
        """Return the body of `GET /v1/workspaces/{workspace_id}/keys`; it holds no private half."""
        return public_keys(self.workspace_id, [key.item() for key in self.keys])

    def _neighbours(self) -> Iterator[tuple[ReceiptKey, ReceiptKey]]:
        return zip(self.keys, self.keys[1:], strict=False)

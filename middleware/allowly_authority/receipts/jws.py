"""The envelope: a flattened JWS with exactly three members and exactly one form of header.

One fixed algorithm and no choice in the header leave nothing to negotiate down. Source: RFC 7515, and the public
package `allowly-receipt-format`, section 5 of its text.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final, Protocol, TypedDict

from allowly_authority.engine.canonical import receipt_json
from allowly_authority.receipts.claims import ReceiptError

TYPE: Final = "allowly-receipt+jws"
MAX_PAYLOAD_BYTES: Final = 256 * 1024
"""Longest content of a receipt, in bytes of canonical JSON. Public verifiers take 8 MiB of text."""


class SignedReceipt(TypedDict):
    """A signed receipt; each member is base64url without padding."""

    protected: str
    payload: str
    signature: str


class Signer(Protocol):
    """A key that signs."""

    @property
    def key_id(self) -> str:
        """How verifiers find its public half."""
        ...

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature, 64 bytes."""
        ...


def sign(payload: Mapping[str, Any], key: Signer) -> SignedReceipt:
    """Sign the content of a receipt.

    Args:
        payload: What `ReceiptClaims.payload` returned.
        key: The key whose time covers the receipt's.

    Raises:
        ReceiptError: The content holds a fraction, an integer beyond 2^53, half of a surrogate pair or another type,
            or it is nested too deep or too large.
        NoSigningKey: The private half of the key is gone.
    """
    try:
        content = receipt_json(payload)
    except ValueError:
        # The error may hold the text that is at fault, so it is not passed on.
        content = None
    if content is None:
        raise ReceiptError("the content has no canonical form")
    if len(content) > MAX_PAYLOAD_BYTES:
        raise ReceiptError(f"the content is longer than {MAX_PAYLOAD_BYTES} bytes")
    protected = encode(receipt_json({"alg": "EdDSA", "kid": key.key_id, "typ": TYPE}))
    body = encode(content)
    signature = key.sign(f"{protected}.{body}".encode("ascii"))
    return SignedReceipt(protected=protected, payload=body, signature=encode(signature))


def encode(data: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """Read base64url without padding.

    Raises:
        ValueError: It is padded, holds other characters, or is not the one way to write these bytes.
    """
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(data) != text:
        raise ValueError("this is not base64url without padding")
    return data

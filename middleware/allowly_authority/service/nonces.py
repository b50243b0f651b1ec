"""Nonces: who holds one, and a key, can answer a confirmation.

A nonce is derived from a random salt in the database and from the workspace key, and the database
keeps its hash. So neither the database nor the key alone yields a usable nonce, and yet a reply can be
given again word for word.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

SALT_BYTES: Final = 16
"""Random bytes behind each nonce: 128 bits."""


class NonceMaker:
    """Makes nonces under one workspace key.

    Args:
        workspace_key: The key that clients show; never stored or shown by this class.
    """

    def __init__(self, workspace_key: str) -> None:
        self._secret = hmac.digest(workspace_key.encode(), b"allowly-authority nonce 1", "sha256")

    def new_salt(self) -> bytes:
        """Return the random part of a new nonce."""
        return secrets.token_bytes(SALT_BYTES)

    def nonce(self, salt: bytes) -> str:
        """Return the nonce of a salt: 43 characters of base64url."""
        return base64.urlsafe_b64encode(hmac.digest(self._secret, salt, "sha256")).decode().rstrip("=")


def nonce_hash(nonce: str) -> bytes:
    """Return what the database keeps of a nonce."""
    return hashlib.sha256(nonce.encode("utf-8", "surrogatepass")).digest()

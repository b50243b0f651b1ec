"""Signed receipts: what was decided, in a form that anyone with the public key can check, years later, offline.

The form is wire 5 of the public package `allowly-receipt-format`: a flattened JWS over canonical JSON, signed with
Ed25519. A receipt proves what this authority recorded. It proves neither that a tool ran nor that a person looked.
Names are loaded when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from allowly_authority.receipts.claims import ReceiptClaims, ReceiptError, is_signable
    from allowly_authority.receipts.jws import SignedReceipt, sign
    from allowly_authority.receipts.key_file import ReceiptKeyFile, ReceiptKeyFileError, receipt_keys_of
    from allowly_authority.receipts.keys import KeyRing, NoSigningKey, ReceiptKey
    from allowly_authority.receipts.opening import (
        RECEIPT_KEYS_VARIABLE,
        open_receipt_keys,
        receipt_key_path,
        refuse_lost_keys,
    )

_WHERE: Final = {
    "RECEIPT_KEYS_VARIABLE": "opening",
    "KeyRing": "keys",
    "NoSigningKey": "keys",
    "ReceiptClaims": "claims",
    "ReceiptError": "claims",
    "ReceiptKey": "keys",
    "ReceiptKeyFile": "key_file",
    "ReceiptKeyFileError": "key_file",
    "SignedReceipt": "jws",
    "is_signable": "claims",
    "open_receipt_keys": "opening",
    "receipt_key_path": "opening",
    "receipt_keys_of": "key_file",
    "refuse_lost_keys": "opening",
    "sign": "jws",
}

__all__ = [
    "RECEIPT_KEYS_VARIABLE",
    "KeyRing",
    "NoSigningKey",
    "ReceiptClaims",
    "ReceiptError",
    "ReceiptKey",
    "ReceiptKeyFile",
    "ReceiptKeyFileError",
    "SignedReceipt",
    "is_signable",
    "open_receipt_keys",
    "receipt_key_path",
    "receipt_keys_of",
    "refuse_lost_keys",
    "sign",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])

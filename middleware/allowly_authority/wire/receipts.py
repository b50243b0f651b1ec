"""Lists of receipts as they are served, and the public keys that they are verified with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from allowly_authority.wire.scalars import Timestamp
from allowly_authority.wire.served import Base64Url, Id, Served


class ReceiptItem(Served):
    """One receipt of a list.

    Attributes:
        event: What happened; null for a check.
        action: What was checked; null for an event.
        authorization_id: What the request named, whether it exists or not.
        user_id: Whose authorization it is; null where there is none.
        prompt_id: The question that it raised, used up or answered.
        signable: Whether it can be fetched signed: it needs a policy edition.
    """

    receipt_id: Id
    issued_at: Timestamp
    event: str | None
    action: str | None
    decision: str
    reason: str | None
    authorization_id: str
    user_id: str | None
    resource: str | None
    session_id: str | None
    prompt_id: Id | None
    signable: bool


class ReceiptPage(Served):
    """A page of receipts, newest first."""

    items: list[ReceiptItem]
    has_more: bool
    next_cursor: str | None


class PublicKey(Served):
    """One key of a workspace, retired or not.

    Attributes:
        active_until: Null while there is no successor.
        public_key_fingerprint: What a verifier pins.
    """

    key_id: Id
    alg: Literal["Ed25519"]
    public_key: Base64Url
    active_from: Timestamp
    active_until: Timestamp | None
    public_key_fingerprint: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


class PublicKeys(Served):
    """The keys of a workspace, oldest first."""

    workspace_id: Id
    keys: list[PublicKey]

"""Receipts: recorded with what they tell of, signed when somebody reads them, listed.

Signing waits for the reader, because it needs nothing but the record and the key of its time: the same receipt has the
same signature whenever, and on whichever machine, it is asked for. So no request waits for a signature that nobody
wants, and nothing signs behind its back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, Protocol

from allowly_authority.binding import canonical_json, digest_of
from allowly_authority.engine import Authorization, receipt_json
from allowly_authority.identifiers import new_id
from allowly_authority.service.paging import beginning_of
from allowly_authority.service.problems import not_found
from allowly_authority.store import receipts as stored
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.store.receipts import StoredReceipt
from allowly_authority.store.schema import SCHEMA_VERSION, StoreError
from allowly_authority.wire.paging import After, ReceiptQuery, page
from allowly_authority.wire.scalars import Dialect, format_timestamp

if TYPE_CHECKING:
    from allowly_authority.receipts import KeyRing

POLICY_VERSION: Final = "local.1"
"""The order and meaning of the rules, as the scopes dialect names them."""


def _engine_version() -> str:
    manifest = {
        "distribution": "allowly-harness",
        "policy": POLICY_VERSION,
        "schema": SCHEMA_VERSION,
        "version": metadata.version("allowly-harness"),
    }
    return f"sha256:{digest_of(canonical_json(manifest))}"


ENGINE_VERSION: Final = _engine_version()
"""Names this build, as the actions dialect asks: a digest, the same for each copy of a version."""

_READY_AFTER_MS: Final = 1000
_CHECK: Final = "check"
_logger = logging.getLogger(__name__)


class ReceiptKeys(Protocol):
    """Where the keys that sign are found."""

    def ring(self) -> KeyRing:
        """Return the keys as they stand now.

        Raises:
            StoreError: They cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose receipt it is.

    Attributes:
        authorization: The one that was named; `None` where there is none of that id.
        authorization_id: The id that was named.
        dialect: Of the request. Clients of the scopes dialect know an older signed form alone, which is not made
            here, so that their receipts stay pending.
    """

    authorization: Authorization | None
    authorization_id: str
    dialect: Dialect

    @classmethod
    def of(cls, authorization: Authorization) -> Subject:
        """Return it for what happens to an authorization, or under it."""
        return cls(authorization, authorization.authorization_id, authorization.dialect)


def record(
    connection: Connection,
    subject: Subject,
    *,
    event: str,
    decision: str,
    context: Mapping[str, Any],
    now_ms: int,
    receipt_id: str | None = None,
    policy_eval: Mapping[str, Any] | None = None,
    **columns: Any,
) -> str:
    """Record a receipt and return its id.

    Args:
        connection: Of the change that it tells of.
        subject: Whose it is.
        event: "check", or one of the receipt format's events.
        decision: One that belongs to the event.
        context: More facts, which are signed and so kept for good.
        now_ms: When.
        receipt_id: Where it is known already.
        policy_eval: How an edition was evaluated.
        columns: As for `records.insert_receipt`.
    """
    receipt_id = receipt_id or new_id("rcp")
    records.insert_receipt(
        connection,
        receipt_id=receipt_id,
        event=event,
        decision=decision,
        authorization_id=subject.authorization_id,
        user_id=subject.authorization.user_id if subject.authorization else None,
        claims=_claims_text(subject, context, policy_eval),
        now_ms=now_ms,
        **columns,
    )
    return receipt_id


def _claims_text(subject: Subject, context: Mapping[str, Any], policy_eval: Mapping[str, Any] | None) -> str | None:
    """Write all that is signed besides the columns, so that nothing has to be looked up, or can have changed, later."""
    authorization = subject.authorization
    policy = authorization.policy if authorization else None
    # The signed form wants an edition beside every authorization, see `receipts.claims.is_signable`.
    if subject.dialect == "scopes" or (authorization is None) != (policy is None):
        return None
    claims = {
        "engine_version": ENGINE_VERSION,
        "agent_id": authorization.agent_id if authorization else "",
        "policy_ref": policy.as_json() if policy else None,
        "context": context,
        "policy_eval": policy_eval,
    }
    try:
        receipt_json({"claims": claims})
    except ValueError:
        return None  # fractions, for example, which a check of an unknown authorization may bring
    return json.dumps(claims, ensure_ascii=False, separators=(",", ":"))


def pending_receipt(receipt_id: str, issued_ms: int, base_url: str) -> dict[str, Any]:
    """Return the envelope of a receipt that is recorded and not signed."""
    return {
        "status": "pending",
        "receipt_id": receipt_id,
        "ready_at_estimate": format_timestamp(issued_ms + _READY_AFTER_MS),
        "url": f"{base_url}/v1/receipts/{receipt_id}",
    }


def read_receipt(connection: Connection, receipt_id: str, *, keys: ReceiptKeys | None, base_url: str) -> dict[str, Any]:
    """Return the envelope of a receipt, signed where it can be.

    Raises:
        ApiProblem: 404, there is none of this id.
        StoreError: The keys cannot be read.
    """
    receipt = stored.find_receipt(connection, receipt_id)
    if receipt is None:
        raise not_found("receipt_not_found")
    signed = _signed(receipt, keys)
    return (
        {"status": "signed", "receipt": signed} if signed else pending_receipt(receipt_id, receipt.issued_ms, base_url)
    )


def with_signed_receipts(
    connection: Connection, reply: dict[str, Any], *, keys: ReceiptKeys | None, base_url: str
) -> dict[str, Any]:
    """Return the reply to a check with its receipts signed, where they can be.

    What was decided stands, so that nothing that goes wrong here fails the request.
    """
    try:
        results = {
            name: {
                **result,
                "receipt": read_receipt(connection, result["receipt"]["receipt_id"], keys=keys, base_url=base_url),
            }
            for name, result in reply["results"].items()
        }
    except StoreError as error:
        _logger.warning("The receipts of a check could not be signed: %s", error)
        return reply
    return {**reply, "results": results}


def list_receipts(connection: Connection, query: ReceiptQuery) -> dict[str, Any]:
    """Return a page of summaries, newest first.

    Raises:
        ApiProblem: 422, the cursor is of another list.
    """
    after = beginning_of(query)
    found = stored.list_receipts(
        connection,
        authorization_id=query.authorization_id,
        user_id=query.user_id,
        before=after.at_ms if after else stored.NEWEST,
        most=query.limit + 1,
    )
    shown = found[: query.limit]
    # The number, not the time: it alone tells two receipts of one millisecond apart.
    last = After(shown[-1].seq, shown[-1].receipt_id) if len(found) > query.limit else None
    return page([_summary(receipt) for receipt in shown], query, last)


def _summary(receipt: StoredReceipt) -> dict[str, Any]:
    checked = receipt.event == _CHECK
    return {
        "receipt_id": receipt.receipt_id,
        "issued_at": format_timestamp(receipt.issued_ms),
        "event": None if checked else receipt.event,
        "action": receipt.scope if checked else None,
        "decision": receipt.decision,
        "reason": receipt.reason,
        "authorization_id": receipt.authorization_id,
        "user_id": receipt.user_id,
        "resource": receipt.resource,
        "session_id": receipt.session_id,
        "prompt_id": receipt.prompt_id,
        "signable": receipt.claims is not None,
    }


def _signed(receipt: StoredReceipt, keys: ReceiptKeys | None) -> Mapping[str, Any] | None:
    if receipt.claims is None or keys is None:
        return None
    from allowly_authority.receipts import NoSigningKey, ReceiptClaims, ReceiptError

    held = json.loads(receipt.claims)
    checked = receipt.event == _CHECK
    of_authorization = receipt.event.startswith("authorization.")
    claims = ReceiptClaims(
        receipt_id=receipt.receipt_id,
        issued_ms=receipt.issued_ms,
        decision=receipt.decision,
        reason=receipt.reason or receipt.decision,
        user_id=receipt.user_id or "",
        agent_id=held["agent_id"],
        engine_version=held["engine_version"],
        action=receipt.scope if checked else None,
        event=None if checked else receipt.event,
        authorization_id=receipt.authorization_id if held["policy_ref"] else None,
        resource=None if of_authorization else receipt.resource,
        context=held["context"],
        policy_ref=held["policy_ref"],
        policy_eval=held["policy_eval"],
    )
    try:
        return keys.ring().sign(claims)
    except NoSigningKey:
        return None
    except ReceiptError as error:
        _logger.warning("A receipt cannot be signed: %s", error)
        return None

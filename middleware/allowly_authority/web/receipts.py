"""Routes of `/v1/receipts`, and of the public keys that verify them."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.service.inbox import sees_everything
from allowly_authority.service.problems import forbidden
from allowly_authority.web.description import Description
from allowly_authority.web.endpoint import Endpoint, principal_of
from allowly_authority.web.reading import path_id, read_query
from allowly_authority.wire.paging import ReceiptQuery
from allowly_authority.wire.receipts import PublicKeys, ReceiptPage
from allowly_authority.wire.served import PendingReceipt, SignedReceipt

_LIST: Final = Description("List receipts, newest first", query=ReceiptQuery, reply=(ReceiptPage,))
_ONE: Final = Description("Read a receipt, signed where it can be", reply=(PendingReceipt, SignedReceipt))
_KEYS: Final = Description("Read the public keys that verify the receipts of a workspace", reply=(PublicKeys,))


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def some(request: Request) -> dict[str, Any]:
        if not sees_everything(principal_of(request)):
            raise forbidden("This key may read single receipts, and no list of them.")
        return await authority.receipts(read_query(request, ReceiptQuery))

    async def one(request: Request) -> dict[str, Any]:
        return await authority.receipt(path_id(request, "receipt_id"))

    async def keys(request: Request) -> dict[str, Any]:
        return authority.public_keys(path_id(request, "workspace_id"))

    return [
        Endpoint("GET", "/v1/receipts", Operation.READ_RECEIPTS, some, description=_LIST),
        Endpoint("GET", "/v1/receipts/{receipt_id}", Operation.READ_RECEIPTS, one, description=_ONE),
        Endpoint("GET", "/v1/workspaces/{workspace_id}/keys", None, keys, description=_KEYS),
    ]

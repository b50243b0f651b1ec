"""Routes of `/v1/receipts`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from allowly_authority.engine.principals import Operation
from allowly_authority.service.authority import Authority
from allowly_authority.web.endpoint import Endpoint
from allowly_authority.web.reading import path_id


def endpoints(authority: Authority) -> list[Endpoint]:
    """Return the endpoints of this module."""

    async def receipt(request: Request) -> dict[str, Any]:
        return await authority.receipt(path_id(request, "receipt_id"))

    return [Endpoint("GET", "/v1/receipts/{receipt_id}", Operation.READ_RECEIPTS, receipt)]

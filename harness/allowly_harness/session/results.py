"""The results that a caller is handed: the server's own, or a sentence for the model, with the outcome beside it."""

from __future__ import annotations

from typing import Any, cast

import mcp_types as types

from allowly_harness.protocol.flow import Ended
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome
from allowly_harness.session.redaction import without_bearers


def handed_on(ended: Ended, *, token: str | None = None, resumed: bool = False) -> types.CallToolResult:
    """Return what the caller of a blocked call gets, in the end.

    Args:
        ended: How it ended.
        token: What resumes it, where it was left open and is kept.
        resumed: Whether it had waited before: it was blocked then, if not now.
    """
    meta = _meta(ended) | ({"token": token} if token is not None else {})
    if ended.result is None:
        return refused(ended.message, meta)
    result: types.Result = ended.result
    if isinstance(result, types.CallToolResult) and result.is_error:
        result = without_bearers(result)
    if ended.rounds == 0 and not resumed:
        return without_forged_outcome(result)
    update: dict[str, Any] = {"meta": {**(result.meta or {}), APPROVAL_META: meta}}
    if ended.outcome is ApprovalOutcome.APPROVED_EDITED and isinstance(result, types.CallToolResult):
        told = f"A person changed the arguments before this call was sent. It ran with: {ended.call.canonical}"
        update["content"] = [*result.content, types.TextContent(type="text", text=told)]
    return cast("types.CallToolResult", result.model_copy(update=update))


def without_forged_outcome(result: Any) -> types.CallToolResult:
    """Hand a result on as it came, but for a key that only we may write: a server could claim an approval."""
    if result.meta and APPROVAL_META in result.meta:
        kept = {name: value for name, value in result.meta.items() if name != APPROVAL_META}
        result = result.model_copy(update={"meta": kept or None})
    return cast("types.CallToolResult", result)


def _meta(ended: Ended) -> dict[str, Any]:
    return {"outcome": ended.outcome.value, "rounds": ended.rounds, "digest": ended.call.digest}


def refused(message: str, meta: dict[str, Any] | None = None) -> types.CallToolResult:
    """Return a sentence of ours as the result of a call that did not run."""
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=message)],
        is_error=True,
        _meta={APPROVAL_META: meta} if meta else None,
    )

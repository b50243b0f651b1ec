"""What a model is told of a call that a person has edited, in frameworks that read structured content alone."""

from __future__ import annotations

import mcp_types as types

from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome


def told_of_edits(result: types.CallToolResult) -> types.CallToolResult:
    """Return a result that no framework reads past the sentence about an edit.

    The sentence is a text block; frameworks that prefer structured content leave text blocks out. So the
    structured content of an edited call is left out here: its text says the same (MCP specification,
    server/tools, "Structured Content").
    """
    meta = (result.meta or {}).get(APPROVAL_META)
    if not isinstance(meta, dict) or meta.get("outcome") != ApprovalOutcome.APPROVED_EDITED:
        return result
    return result.model_copy(update={"structured_content": None})

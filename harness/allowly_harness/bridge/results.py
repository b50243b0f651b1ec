"""Results as they are on the wire, in the form in which the approval conversation handles them.

Only what decides about an approval is read. Everything else is kept as it came, known or not, and goes on so.
"""

from __future__ import annotations

from typing import Any

import mcp_types as types
from mcp import MCPError
from pydantic import BaseModel, Field, ValidationError

from allowly_harness.bridge.eras import Wire, is_input_required
from allowly_harness.protocol.models import APPROVAL_META
from allowly_harness.session.redaction import struck_out


class CarriedResult(types.CallToolResult):
    """The result of a call, or of anything else, with what it was on the wire."""

    raw: Wire = Field(default_factory=dict[str, Any], exclude=True)
    listed: list[Any] = Field(default_factory=list[Any], exclude=True)

    @classmethod
    def of(cls, raw: Wire) -> CarriedResult:
        """Carry a result."""
        failed = is_failed(raw)
        listed = raw.get("content")
        content = [_block(block) if failed else block for block in listed] if isinstance(listed, list) else []
        meta = raw.get("_meta")
        return cls.model_construct(
            content=content,
            structured_content=raw.get("structuredContent"),
            is_error=failed,
            meta=meta if isinstance(meta, dict) else None,
            raw=raw,
            listed=content,
        )

    def wire(self) -> Wire:
        """Return it as it came, but for what the conversation has changed."""
        out = dict(self.raw)
        if self.content is not self.listed:
            out["content"] = [_dumped(block) for block in self.content]
        if self.structured_content is not self.raw.get("structuredContent"):
            out["structuredContent"] = self.structured_content
        if self.meta is not self.raw.get("_meta"):
            out.pop("_meta", None)
            if self.meta:
                out["_meta"] = dict(self.meta)
        # Once more, over all of it: also over blocks and fields that the conversation has not looked at.
        return struck_out(out) if self.is_error else out


class CarriedInputRequired(types.InputRequiredResult):
    """A server's wish for input, with what it was on the wire."""

    raw: Wire = Field(default_factory=dict[str, Any], exclude=True)

    @classmethod
    def of(cls, raw: Wire) -> CarriedInputRequired:
        """Carry a wish."""
        state, requests, meta = raw.get("requestState"), raw.get("inputRequests"), raw.get("_meta")
        return cls.model_construct(
            request_state=state if isinstance(state, str) else None,
            input_requests=requests if isinstance(requests, dict) else None,
            meta=meta if isinstance(meta, dict) else None,
            raw=raw,
        )

    def wire(self) -> Wire:
        """Return it as it came, but for what the conversation has added."""
        return self.raw if self.meta is self.raw.get("_meta") else {**self.raw, "_meta": dict(self.meta or {})}


def carried(raw: Wire) -> CarriedResult | CarriedInputRequired:
    """Carry whatever a server answered."""
    return CarriedInputRequired.of(raw) if is_input_required(raw) else CarriedResult.of(raw)


def wire_of(result: Any) -> Wire:
    """Return a result as it goes to the host: the server's own, or one of ours."""
    if isinstance(result, CarriedResult | CarriedInputRequired):
        return result.wire()
    dumped: Wire = result.model_dump(by_alias=True, mode="json", exclude_none=True)
    return dumped


def harmless(raw: Wire) -> Wire:
    """Return the result of anything but a call, without what only an approving session may say or see.

    A decision can also come by other ways than a call, where nobody is asked about it: its nonce goes no further.
    """
    meta = raw.get("_meta")
    if isinstance(meta, dict) and APPROVAL_META in meta:
        raw = {**raw, "_meta": {name: value for name, value in meta.items() if name != APPROVAL_META}}
    return wire_of(CarriedResult.of(raw)) if is_failed(raw) else raw


def is_failed(raw: Wire) -> bool:
    """Tell whether a result is an error. What is neither true nor false is one: hosts may take it for true."""
    said = raw.get("isError")
    return said is not None and said is not False


def harmless_error(error: MCPError) -> MCPError:
    """Return a server's error without nonces: there are guards that raise their decision."""
    raw = {"isError": True, "content": [{"type": "text", "text": error.message}], "structuredContent": error.data}
    struck = harmless(raw)
    return MCPError(error.code, struck["content"][0]["text"], struck["structuredContent"])


def _block(block: Any) -> Any:
    if isinstance(block, dict) and block.get("type") == "text":
        try:
            return _CarriedText.of(block)
        except ValidationError:
            return block
    return block


class _CarriedText(types.TextContent):
    raw: Wire = Field(default_factory=dict[str, Any], exclude=True)

    @classmethod
    def of(cls, raw: Wire) -> _CarriedText:
        return cls.model_validate({**raw, "raw": raw}, by_name=False)


def _dumped(block: Any) -> Any:
    if isinstance(block, _CarriedText):
        return {**block.raw, "text": block.text}
    return block.model_dump(by_alias=True, mode="json", exclude_none=True) if isinstance(block, BaseModel) else block

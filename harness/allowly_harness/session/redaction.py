"""Strikes a question's bearer secrets out of error results that are handed on (design G7).

A decision in a shape that the contract does not know is an ordinary error, and the model reads it. What
it holds of nonces and ids must not be read: whoever has a nonce can answer the question.
"""

from __future__ import annotations

import re
from typing import Any, Final

import mcp_types as types

STRUCK_OUT: Final = "[withheld]"

_NAMES: Final = frozenset({"confirm_nonce", "escalation_id"})
# Also inside of JSON that is itself quoted in JSON, where the quotation marks are escaped.
_IN_TEXT: Final = re.compile(r'(\\*"(?:confirm_nonce|escalation_id)\\*"\s*:\s*\\*")[^"\\]+')


def without_bearers(result: types.CallToolResult) -> types.CallToolResult:
    """Return an error result without nonces and escalation ids; the same object where there are none."""
    content = [_block(block) for block in result.content]
    structured = _value(result.structured_content)
    if structured == result.structured_content and all(
        new is old for new, old in zip(content, result.content, strict=True)
    ):
        return result
    return result.model_copy(update={"content": content, "structured_content": structured})


def _block(block: types.ContentBlock) -> types.ContentBlock:
    if not isinstance(block, types.TextContent):
        return block
    text = _IN_TEXT.sub(rf"\g<1>{STRUCK_OUT}", block.text)
    return block if text == block.text else block.model_copy(update={"text": text})


def _value(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: STRUCK_OUT if name in _NAMES and isinstance(item, str) else _value(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value

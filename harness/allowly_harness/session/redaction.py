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
# Also inside of JSON that is itself quoted in JSON, where the quotation marks are escaped, and of Python's own words.
_IN_TEXT: Final = re.compile(r"""(\\*["'](?:confirm_nonce|escalation_id)\\*["']\s*:\s*\\*["'])[^"'\\]+""")


def without_bearers(result: types.CallToolResult) -> types.CallToolResult:
    """Return an error result without nonces and escalation ids; the same object where there are none."""
    content = [_block(block) for block in result.content]
    structured = struck_out(result.structured_content)
    if structured == result.structured_content and all(
        new is old for new, old in zip(content, result.content, strict=True)
    ):
        return result
    return result.model_copy(update={"content": content, "structured_content": structured})


def _block(block: types.ContentBlock) -> types.ContentBlock:
    if isinstance(block, types.EmbeddedResource) and isinstance(block.resource, types.TextResourceContents):
        text = struck_out(block.resource.text)
        if text == block.resource.text:
            return block
        return block.model_copy(update={"resource": block.resource.model_copy(update={"text": text})})
    if not isinstance(block, types.TextContent):
        return block
    text = struck_out(block.text)
    return block if text == block.text else block.model_copy(update={"text": text})


def struck_out(value: Any) -> Any:
    """Return a JSON value without nonces and escalation ids, also where they stand in JSON that is a text in it."""
    if isinstance(value, dict):
        return {
            name: STRUCK_OUT if name in _NAMES and isinstance(item, str) else struck_out(item)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [struck_out(item) for item in value]
    if isinstance(value, str):
        return _IN_TEXT.sub(rf"\g<1>{STRUCK_OUT}", value)
    return value

"""What `call` says in the end: the tool's own data, or one JSON document that a script reads."""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from allowly_harness.cli.documents import discard_output, json_text
from allowly_harness.cli.exits import OUTCOME_CODES, ExitCode, fail, say

if TYPE_CHECKING:
    import mcp_types as types

    from allowly_harness.protocol.models import ToolCall

_UNKNOWN: Final = "unknown"


class Report:
    """Collects how a call ended, and writes it once.

    Args:
        output: "text" writes the data of a tool that ran, and nothing otherwise. "json" writes one
            document whatever happened; its members are `document`'s.
    """

    def __init__(self, output: Literal["text", "json"]) -> None:
        self._json = output == "json"
        self._started = time.monotonic()
        self._digest: str | None = None

    def calling(self, call: ToolCall) -> None:
        """Note which call is made from now on."""
        self._digest = call.digest
        self._started = time.monotonic()

    def ended(self, result: types.CallToolResult) -> int:
        """Report a result and return the exit code."""
        from allowly_harness.protocol.models import APPROVAL_META

        approval: Mapping[str, Any] = (result.meta or {}).get(APPROVAL_META) or {}
        code = OUTCOME_CODES[approval["outcome"]] if approval else ExitCode.DONE
        ran = code is ExitCode.DONE
        if ran and result.is_error:
            code = ExitCode.TOOL_FAILED
        said = [_inert(getattr(block, "text", f"[{block.type}]")) for block in result.content]
        if self._json:
            code = self._write_document(code, result, approval) or code
        elif ran:
            text = _data(result)
            # A terminal is shown what is safe to draw; a file or a pipe gets the data as it came.
            code = _write(_inert(text) if sys.stdout.isatty() else text) or code
        if not ran:
            for text in said:
                say(text)
            if approval.get("token"):
                say(f"Make it once it is approved: allowly-harness pending resume {approval['token'][:8]}")
        return int(code)

    def unanswered(self, message: str, code: ExitCode) -> int:
        """Report that the server sent no result, and return the exit code."""
        if self._json:
            self._write_document(code, None, {}, message)
        return fail(message, code)

    def failed(self, message: str, code: ExitCode) -> None:
        """Report a failure that somebody else says aloud."""
        if self._json:
            self._write_document(code, None, {}, message)

    def _write_document(
        self,
        code: int,
        result: types.CallToolResult | None,
        approval: Mapping[str, Any],
        message: str | None = None,
    ) -> ExitCode | None:
        outcome = approval.get("outcome") or ("allowed" if result else None)
        if code is ExitCode.UNKNOWN_OUTCOME:
            outcome = _UNKNOWN
        document = {
            "outcome": outcome,
            "exit_code": int(code),
            "rounds": approval.get("rounds", 0),
            "digest": approval.get("digest") or self._digest,
            "token": approval.get("token"),
            "is_error": result.is_error if result else True,
            "content": _dumped(result).get("content", []) if result else [],
            "structured": _without_constants(result.structured_content) if result else None,
            "seconds": round(time.monotonic() - self._started, 3),
            "message": message,
        }
        return _write(json_text(document, allow_nan=False))


def _dumped(result: types.CallToolResult) -> dict[str, Any]:
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def _data(result: types.CallToolResult) -> str:
    """Return texts as they are; a result that holds anything else, whole, as JSON."""
    if result.content and all(block.type == "text" for block in result.content):
        return "\n".join(getattr(block, "text", "") for block in result.content)
    if not result.content and result.structured_content is not None:
        return json.dumps(_without_constants(result.structured_content), indent=2, allow_nan=False)
    return result.model_dump_json(by_alias=True, exclude_none=True, exclude={"meta"}, indent=2)


def _without_constants(value: Any) -> Any:
    """Return a value without NaN and infinities, which JSON does not know; null stands for them."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_constants(item) for name, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_without_constants(item) for item in value]
    return value


def _write(text: str) -> ExitCode | None:
    """Write to standard output. That nobody reads it any more does not change that the tool ran.

    Returns:
        The code to exit with where it could not be written; `None` otherwise.
    """
    try:
        sys.stdout.buffer.write(f"{text}\n".encode(errors="backslashreplace"))
        sys.stdout.flush()
    except OSError as error:
        discard_output()
        if isinstance(error, BrokenPipeError):
            return None
        fail(f"the call has ended, but its result cannot be written: {error.strerror or error}", ExitCode.TOOL_FAILED)
        return ExitCode.TOOL_FAILED
    return None


def _inert(text: str) -> str:
    from allowly_harness.display.sanitize import block

    return "\n".join(str(line) for line in block(text))

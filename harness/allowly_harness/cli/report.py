"""What `call` says in the end: the tool's own data, or one JSON document that a script reads."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal

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
            self._write_document(code, result, approval)
        elif ran:
            text = _data(result)
            # A terminal is shown what is safe to draw; a file or a pipe gets the data as it came.
            _write(_inert(text) if sys.stdout.isatty() else text)
        if not ran:
            for text in said:
                say(text)
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
        code: ExitCode,
        result: types.CallToolResult | None,
        approval: Mapping[str, Any],
        message: str | None = None,
    ) -> None:
        outcome = approval.get("outcome") or ("allowed" if result else None)
        if code is ExitCode.UNKNOWN_OUTCOME:
            outcome = _UNKNOWN
        document = {
            "outcome": outcome,
            "exit_code": int(code),
            "rounds": approval.get("rounds", 0),
            "digest": approval.get("digest") or self._digest,
            "is_error": result.is_error if result else True,
            "content": _dumped(result).get("content", []) if result else [],
            "structured": result.structured_content if result else None,
            "seconds": round(time.monotonic() - self._started, 3),
            "message": message,
        }
        # In ASCII, so that no byte of it means anything to a terminal; DEL is the one that JSON leaves.
        _write(json.dumps(document).replace("\x7f", "\\u007f"))


def _dumped(result: types.CallToolResult) -> dict[str, Any]:
    return result.model_dump(mode="json", by_alias=True, exclude_none=True)


def _data(result: types.CallToolResult) -> str:
    """Return texts as they are; a result that holds anything else, whole, as JSON."""
    if result.content and all(block.type == "text" for block in result.content):
        return "\n".join(getattr(block, "text", "") for block in result.content)
    if not result.content and result.structured_content is not None:
        return json.dumps(result.structured_content, indent=2)
    return result.model_dump_json(by_alias=True, exclude_none=True, exclude={"meta"}, indent=2)


def _write(text: str) -> None:
    """Write to standard output; that nobody reads it any more does not change that the tool ran."""
    with suppress(BrokenPipeError):
        sys.stdout.buffer.write(f"{text}\n".encode(errors="backslashreplace"))
        sys.stdout.flush()
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _inert(text: str) -> str:
    from allowly_harness.display.sanitize import block

    return "\n".join(str(line) for line in block(text))

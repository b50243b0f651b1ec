"""Which calls want more than a key press before a yes: those that somebody has called dangerous."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final

from allowly_harness.protocol.models import ToolCall, ToolInfo

BY_CONFIGURATION: Final = "named as dangerous in the configuration"
BY_SERVER: Final = "the server marks it as destructive"


def danger_of(call: ToolCall, tool: ToolInfo, patterns: Iterable[str] = ()) -> str:
    """Say why a yes to this call wants a typed word; empty for an ordinary call.

    Args:
        call: Its names are matched, so that a tool that was never described is dangerous all the same.
        tool: What the server says of it. Only `destructiveHint: true` counts, and a `readOnlyHint` beside
            it does not take it back.
        patterns: `TOOL` or `SERVER:TOOL`, with the wildcards of `fnmatch.fnmatchcase`.
    """
    names = (call.tool, f"{call.server}:{call.tool}")
    reasons: list[str] = []
    if any(fnmatchcase(name, pattern) for pattern in patterns for name in names):
        reasons.append(BY_CONFIGURATION)
    if tool.annotations.get("destructiveHint") is True:
        reasons.append(BY_SERVER)
    return "; ".join(reasons)

"""The line front end: the same session without a full screen; also the one that screen readers can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.chat.run import run_chat

__all__ = ["run_chat"]


def __getattr__(name: str) -> Any:
    if name != "run_chat":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from allowly_harness.chat.run import run_chat as value

    return value

"""The word that a person types to approve a dangerous call: easy to read off, and no answer by itself."""

from __future__ import annotations

import re
from typing import Final

from allowly_harness.protocol.models import ApprovalRequest

GENERAL_WORD: Final = "approve"
"""The word for tools whose name does not begin with a plain one."""

_FIRST_WORD: Final = re.compile(r"([a-z]{3,10})(?![a-z])")

_ANSWERS: Final = frozenset(
    {
        *(
            "again",
            "answer",
            "cancel",
            "check",
            "close",
            "defer",
            "deny",
            "edit",
            "give",
            "help",
            "later",
            "log",
            "next",
        ),
        *(
            "pending",
            "quit",
            "reject",
            "remember",
            "resolve",
            "respond",
            "reveal",
            "save",
            "secrets",
            "show",
            "view",
            "wait",
        ),
        "withdraw",
        *("exit", "next", "none", "not", "yeah", "yes"),
    }
)


def word_for(request: ApprovalRequest) -> str:
    """Return what must be typed to approve this call if it is dangerous, "" if it is not.

    It is the first word of the tool's name (`delete_mailbox` and `deleteMailbox`: "delete") where that
    is 3 to 10 lowercase ASCII letters and not the name of another answer, otherwise "approve".
    """
    if not request.danger:
        return ""
    first = _FIRST_WORD.match(request.call.tool)
    return first[1] if first and first[1] not in _ANSWERS else GENERAL_WORD

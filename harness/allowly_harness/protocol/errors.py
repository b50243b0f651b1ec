"""The errors of the harness.

HarnessError
├── LocalProtocolError        our side took a step that the conversation does not allow
├── ConfigurationError        the user named something that cannot be used
├── JournalError              the journal cannot be written or read
│   └── PendingError          a call that waits cannot be gone on with as it was asked for
│       ├── PendingUnknown    there is no such call
│       └── PendingTaken      another program works on it
└── ServerUnreachable         the server did not start, answer or agree on a version
"""

from __future__ import annotations

from typing import Any, cast


class HarnessError(Exception):
    """Base of everything that the harness raises on purpose."""


def innermost(error: BaseException) -> BaseException:
    """Return the one error at the heart of nested groups, which task groups wrap everything in."""
    found: Any = error
    while isinstance(found, BaseExceptionGroup) and len(found.exceptions) == 1:
        found = found.exceptions[0]
    return cast("BaseException", found)


class LocalProtocolError(HarnessError):
    """Our side took a step that the life of an approval does not allow: a bug, stopped before harm."""


class ConfigurationError(HarnessError):
    """A server, an authority, a key or an option that cannot be used; the message says why."""


class JournalError(HarnessError):
    """The journal cannot be used, so nothing is approved. The text is a sentence for a person."""


class PendingError(JournalError):
    """A call that waits cannot be gone on with as it was asked for; nothing was sent. The text is a sentence."""


class PendingUnknown(PendingError):
    """No call that waits has this token: it has ended, was cancelled, or never waited.

    Args:
        token: What was asked for.
    """

    def __init__(self, token: str) -> None:
        super().__init__(
            f"No call that waits has the token {token[:40]!r}. It has ended, was cancelled or is older than 30 days; "
            "allowly-harness journal show tells."
        )


class PendingTaken(PendingError):
    """Another program works on the call that waits, or has taken it over.

    Args:
        by: Which, in a few words.

    Attributes:
        by: Which, in a few words.
    """

    def __init__(self, by: str) -> None:
        super().__init__(f"Another program ({by}) works on this call. Answer there, or end that program.")
        self.by = by


class ServerUnreachable(HarnessError):
    """The server did not start, did not answer, or shares no protocol version with us."""

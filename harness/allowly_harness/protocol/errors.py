"""The errors of the harness.

HarnessError
├── LocalProtocolError        our side took a step that the conversation does not allow
├── ConfigurationError        the user named something that cannot be used
├── JournalError              the journal cannot be written or read
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


class ServerUnreachable(HarnessError):
    """The server did not start, did not answer, or shares no protocol version with us."""

"""Runs a command's coroutine and turns what can go wrong into a message and an exit code."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from allowly_harness.cli.exits import ExitCode, fail


def run(command: Callable[[], Awaitable[int]]) -> int:
    """Run a command to its end and return its exit code; nothing it raises becomes a traceback."""
    import anyio

    from allowly_authority.errors import AuthorityError
    from allowly_authority.store.schema import StoreError
    from allowly_harness.protocol.errors import ConfigurationError, ServerUnreachable, innermost

    try:
        return anyio.run(command)
    except BaseException as error:
        error = innermost(error)
        match error:
            case ConfigurationError() | StoreError():
                return fail(str(error), ExitCode.USAGE)
            case ServerUnreachable():
                return fail(str(error), ExitCode.SERVER_UNREACHABLE)
            case AuthorityError():
                return fail(f"the authority: {error}", ExitCode.AUTHORITY_UNREACHABLE)
            case KeyboardInterrupt():
                return fail("interrupted", ExitCode.INTERRUPTED)
            case _:
                raise

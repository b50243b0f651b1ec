"""Runs a command's coroutine and turns what can go wrong into a message and an exit code."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from allowly_harness.cli.exits import ExitCode, fail, say

CLEAN_UP_SECONDS: Final = 20.0
"""How long closing may take after a signal; a terminal that is gone can hold it up for ever."""


OnFailure: TypeAlias = Callable[[str, ExitCode], object]
"""Told what went wrong and the code to exit with, before it is said aloud."""


def run(command: Callable[[], Awaitable[int]], *, on_failure: OnFailure | None = None) -> int:
    """Run a command to its end and return its exit code; nothing expected becomes a traceback.

    SIGTERM and SIGHUP cancel it, so that questions are withdrawn, servers stopped and the terminal
    restored; the code is then 128 and the signal's number, as shells have it.
    """
    import anyio

    from allowly_harness.cli.logs import log_to
    from allowly_harness.locations import program_log
    from allowly_harness.protocol.errors import innermost

    log_to(program_log())
    try:
        return anyio.run(_until_signalled, command)
    except BaseException as error:  # noqa: BLE001 - what only asks for the end is raised again by `_meaning`
        message, code = _meaning(innermost(error))
        if on_failure is not None:
            on_failure(message, code)
        return fail(message, code)


def _meaning(error: BaseException) -> tuple[str, ExitCode]:
    """Return what an error means for the user, and the code to exit with.

    Raises:
        BaseException: The error itself, if it only asks for the end of the program.
    """
    from allowly_authority.errors import AuthorityError
    from allowly_authority.store.schema import StoreError
    from allowly_harness.locations import program_log
    from allowly_harness.protocol.errors import ConfigurationError, JournalError, ServerUnreachable

    match error:
        case ConfigurationError() | JournalError() | StoreError():
            return str(error), ExitCode.USAGE
        case ServerUnreachable():
            if "KeyError" in str(error) or "environment" in str(error).lower():
                say("A started server gets few of the shell's variables; hand others on with --env NAME.")
            return str(error), ExitCode.SERVER_UNREACHABLE
        case AuthorityError():
            return f"the authority: {error}", ExitCode.AUTHORITY_UNREACHABLE
        case KeyboardInterrupt():
            return "interrupted", ExitCode.INTERRUPTED
        case Exception():
            # A bug of ours or of a library: one line here, and the place in the log.
            logging.getLogger("allowly_harness").error("The program failed.", exc_info=error)
            return f"it failed with {type(error).__name__}; {program_log()} says where", ExitCode.TOOL_FAILED
        case _:
            raise error


async def _until_signalled(command: Callable[[], Awaitable[int]]) -> int:
    import anyio

    from allowly_harness.signals import ended_by_signals

    code = 0
    async with anyio.create_task_group() as group:

        def leave(with_code: int) -> None:
            nonlocal code
            code = with_code
            group.cancel_scope.cancel()

        with ended_by_signals(leave, deadline_seconds=CLEAN_UP_SECONDS):
            code = await command()
    return code

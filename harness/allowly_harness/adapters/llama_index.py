"""Approvals under the MCP client of LlamaIndex.

`approving_basic_client` takes a `BasicMCPClient`, which opens a session for every call, and sees to it that each
of them asks for approvals. The tools that `McpToolSpec` makes of a client hand the model a result as `str` makes
it; of a call that did not run, that is the sentence alone. Needs the extra `llama-index`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack
from urllib.parse import urlsplit
from weakref import WeakSet

import mcp_types as types
from llama_index.tools.mcp import BasicMCPClient  # type: ignore[import-untyped]
from mcp import ClientSession

from allowly_harness.adapters.options import ApprovalOptions, server_reached_by
from allowly_harness.adapters.resuming import resumable
from allowly_harness.adapters.wrapped import wrapping
from allowly_harness.approvers.base import Approver, AskFunction, Desk
from allowly_harness.approvers.unattended import UnattendedApprover
from allowly_harness.performing.answered import AnsweredQuestions
from allowly_harness.protocol.flow import DEFAULT_MAX_ROUNDS
from allowly_harness.protocol.models import APPROVAL_META, ServerInfo
from allowly_harness.session.redaction import STRUCK_OUT

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

BasicClientT = TypeVar("BasicClientT", bound=BasicMCPClient)

_OPENS_SESSIONS: Final = "_run_session"
"""The one method through which the client opens sessions (llama-index-tools-mcp 0.6). It has no public one."""

_BEARER: Final = re.compile(r"""((?:confirm_nonce|escalation_id)[\\'"]*\s*[:=]\s*[\\'"]*)[\w.~:-]+""")

_approving: Final[WeakSet[BasicMCPClient]] = WeakSet()


def approving_basic_client(
    target: BasicClientT,
    *,
    approver: Approver | AskFunction | Desk | None = None,
    authority: AuthorityClient | None = None,
    server: ServerInfo | str | None = None,
    **options: Unpack[ApprovalOptions],
) -> BasicClientT:
    """Put approvals under a client of LlamaIndex's own.

    A `ClientSession`, which `McpToolSpec` takes as well, needs no adapter: give it one from `connect()`.

    Args:
        target: A `BasicMCPClient`, or one of a class of yours on it.
        approver: See `ApprovingClientSession`, as for all that follows. Give several clients one `Desk` to have
            a person asked one question at a time.
        authority: Where answers are reported. It is not closed, and it belongs to one event loop: tools are
            to be called with `acall`, as agents do.
        server: What to call the server, or name and configuration, instead of what `target` suggests.
        options: `acting_as`, `requester`, `dangerous`, `max_rounds`, `accept_bare_decisions`, `journal`, `clock`.

    Returns:
        The very object that was given.

    Raises:
        TypeError: The target opens its sessions in a way that is not known here.
        ValueError: Its calls are approved already, or an option is out of range.
    """
    opens = getattr(target, _OPENS_SESSIONS, None)
    if not callable(opens):
        raise TypeError(f"approvals go under a BasicMCPClient of LlamaIndex, not under a {type(target).__name__}")
    if target in _approving:
        raise ValueError("the calls of this client are approved already")
    if options.get("max_rounds", DEFAULT_MAX_ROUNDS) < 1:
        raise ValueError(f"max_rounds must be 1 or more, not {options.get('max_rounds')}")
    _approve_sessions(
        target,
        opens,
        desk=approver if isinstance(approver, Desk) else Desk(approver or UnattendedApprover()),
        authority=authority,
        server=server if isinstance(server, ServerInfo) else _named(target, server),
        answered=AnsweredQuestions(),
        **options,
    )
    _tell_the_model(target)
    _keep_secrets_from_logs(target)
    _approving.add(target)
    return target


def _approve_sessions(target: BasicMCPClient, opens: Callable[..., Any], **approvals: Any) -> None:
    @asynccontextmanager
    async def opening() -> AsyncGenerator[ClientSession]:
        sessions: AbstractAsyncContextManager[ClientSession] = opens()
        async with sessions as session:
            with wrapping(session, **approvals):
                yield session

    setattr(target, _OPENS_SESSIONS, opening)
    resumable(target, opening)


def _tell_the_model(target: BasicMCPClient) -> None:
    call = target.call_tool

    async def call_tool(*args: Any, **options: Any) -> types.CallToolResult:
        result = await call(*args, **options)
        return _Told.of(result) if result.is_error and APPROVAL_META in (result.meta or {}) else result

    target.call_tool = call_tool


def _keep_secrets_from_logs(target: BasicMCPClient) -> None:
    callback = target.tool_call_logs_callback
    if callback is None:
        return

    async def struck_out(lines: list[str]) -> Any:
        # The client hands on all that the MCP SDK logs at DEBUG, and that is what servers send (mcp 2.3).
        return await callback([_BEARER.sub(rf"\g<1>{STRUCK_OUT}", line) for line in lines])

    target.tool_call_logs_callback = struck_out


class _Told(types.CallToolResult):
    """A result whose `str` is its text: LlamaIndex's tools give a model the `str` of what a client returns."""

    @classmethod
    def of(cls, result: types.CallToolResult) -> _Told:
        return cls.model_construct(**{name: getattr(result, name) for name in types.CallToolResult.model_fields})

    def __str__(self) -> str:
        return "\n".join(block.text for block in self.content if isinstance(block, types.TextContent))


def _named(target: BasicMCPClient, name: str | None) -> ServerInfo:
    how = target.command_or_url
    info = server_reached_by(how if urlsplit(how).scheme in {"http", "https"} else [how, *target.args])
    return info if name is None else replace(info, name=name)

"""Calls that wait, as lines and as JSON, and how their questions stand at the authority."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio

from allowly_harness.cli.exits import say
from allowly_harness.display.clock import duration
from allowly_harness.display.sanitize import MAX_LINE_CHARACTERS, identifier, joined, one_line, plain

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_harness.journal.pending import PendingCall
    from allowly_harness.protocol.models import ToolCall

AUTHORITY_SECONDS: Final = 10.0
"""How long all authorities together may take to say how the questions stand."""

MAX_PAGES: Final = 20
"""How many pages of questions are read of one authority, a hundred a page."""

MAX_VALUE_CHARACTERS: Final = 200
"""How much is shown of a name, in `show`."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How the question of a call stands at the authority.

    Attributes:
        open: Whether one is listed for this very call.
        approvals: How many have approved it, where it takes several.
        approvals_needed: How many must.
        decided: "approved" or "rejected", where that is known.
        by: Who decided.
    """

    open: bool
    approvals: int = 0
    approvals_needed: int = 1
    decided: str = ""
    by: str = ""

    @property
    def words(self) -> str:
        """Say it in a few words."""
        if not self.open:
            by = f" by {self.by}" if self.by else ""
            return f"{self.decided}{by} there: resume it" if self.decided else "no longer open there: resume it"
        if self.approvals_needed > 1:
            return f"still open there, {self.approvals} of {self.approvals_needed} approved"
        return "still open there"


async def questions_of(calls: Sequence[PendingCall], authority: str | None) -> dict[str, Standing]:
    """Ask the authorities of calls how their questions stand, by token; what cannot be told is left out.

    Args:
        calls: The calls.
        authority: What `--authority` said, for calls that do not say which.
    """
    from allowly_authority.errors import AuthorityError, LookupUnsupported
    from allowly_authority.store.schema import StoreError
    from allowly_harness.protocol.errors import ConfigurationError

    found: dict[str, Standing] = {}
    by_authority: dict[str | None, list[PendingCall]] = {}
    now = datetime.now(UTC)
    for one in calls:
        # A question that has run out is listed nowhere, whatever became of it.
        if one.expires_at > now:
            by_authority.setdefault(_authority_of(one) or authority, []).append(one)
    with anyio.move_on_after(AUTHORITY_SECONDS) as limit:
        for url, theirs in by_authority.items():
            try:
                found |= await _ask(url, theirs)
            except LookupUnsupported:
                continue
            except (AuthorityError, ConfigurationError, StoreError) as error:
                say(f"How they stand at {plain(url or 'the authority', 80)} is not known: {plain(str(error), 200)}")
    if limit.cancelled_caught:
        say(f"The authority did not say within {AUTHORITY_SECONDS:g} s how they stand.")
    return found


def _authority_of(one: PendingCall) -> str | None:
    from allowly_harness.cli.reach import read_reach
    from allowly_harness.protocol.errors import ConfigurationError

    try:
        return read_reach(one.reach).authority
    except ConfigurationError:
        return None


async def _ask(url: str | None, calls: list[PendingCall]) -> dict[str, Standing]:
    from allowly_harness.cli.opening import open_authority
    from allowly_harness.settings import load_settings

    settings = load_settings(url)
    async with open_authority(settings) as opened:
        if opened is None:
            return {}
        found = await _found(opened.client, calls)
        missing = [one for one in calls if one.token not in found]
        if missing:
            sees = await _sight(opened.client)
            found |= {one.token: Standing(open=False) for one in missing if sees(one)}
            found |= await _found(opened.client, [one for one in missing if not sees(one)], requested=True)
    return found


async def _found(client: AuthorityClient, calls: list[PendingCall], *, requested: bool = False) -> dict[str, Standing]:
    listed: dict[str | None, PromptItem] = {}
    for status in ("rejected", "approved", "pending") if calls else ():
        listed |= await _listed(client, status, requested=requested)
    return {one.token: _standing(item) for one in calls if (item := listed.get(one.call.resource)) is not None}


async def _sight(client: AuthorityClient) -> Callable[[PendingCall], bool]:
    """Return whether a key would see the question of a call: an approver's sees what is addressed to its holder."""
    from allowly_authority.errors import NotFound
    from allowly_harness.inbox.holder import InboxProblem, holder_of

    try:
        reply = await client.holder()
        names = holder_of(reply, None).names
    except (NotFound, InboxProblem):
        return lambda _: False
    everything = not {"workspace", "operator"}.isdisjoint(reply.roles)
    return lambda one: everything or (one.kind == "escalate" and one.escalation_to in names)


async def _listed(
    client: AuthorityClient, status: Literal["pending", "approved", "rejected"], *, requested: bool
) -> dict[str | None, PromptItem]:
    """Return the questions in one state by what they are about."""
    found: dict[str | None, PromptItem] = {}
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        page = await client.pending(status=status, requested=requested, limit=100, cursor=cursor)
        found |= {item.resource: item for item in page.items}
        cursor = page.next_cursor
        if not page.has_more or cursor is None:
            break
    return found


def _standing(item: PromptItem) -> Standing:
    if item.status != "pending":
        return Standing(open=False, decided=item.status, by=plain(item.resolved_by or "", 60))
    return Standing(open=True, approvals=item.approvals, approvals_needed=item.approvals_needed)


def line(one: PendingCall, standing: Standing | None, short: int) -> str:
    """Return a call in a line."""
    name = f"{identifier(one.call.server).text}: {identifier(one.call.tool).text}"
    since = one.began_at.astimezone().strftime("%Y-%m-%d %H:%M")
    there = f"  ({standing.words})" if standing is not None else ""
    return f"{one.token[:short]}  {_how(one):<8} since {since}  {_left(one):<16}  {_for_whom(one)}  {name}{there}"


def document(one: PendingCall, standing: Standing | None) -> dict[str, Any]:
    """Return a call as JSON values."""
    return {
        "token": one.token,
        "server": one.call.server,
        "tool": one.call.tool,
        "arguments": one.call.payload(),
        "digest": one.call.digest,
        "kind": one.kind,
        "escalation_to": one.escalation_to,
        "since": one.began_at.isoformat(timespec="milliseconds"),
        "expires_at": one.expires_at.isoformat(timespec="seconds"),
        "state": one.state.value,
        "taken_by": one.taken_by,
        "open_at_authority": None if standing is None else standing.open,
        "decided_at_authority": None if standing is None else standing.decided or None,
        "approvals": None if standing is None or not standing.open else standing.approvals,
        "approvals_needed": None if standing is None or not standing.open else standing.approvals_needed,
        "can_resume": one.free and one.reach is not None,
    }


def page(one: PendingCall, standing: Standing | None, *, revealed: bool = False) -> Iterator[str]:
    """Yield a call on several lines, its arguments with it; what looks secret in them is masked unless revealed."""
    from allowly_harness.cli.reach import read_reach
    from allowly_harness.display.card import summary_of_call
    from allowly_harness.protocol.errors import ConfigurationError

    yield f"token      {one.token}"
    yield f"call       {summary_of_call(one.call)}"
    yield from _arguments("arguments", one.call, revealed=revealed)
    if one.original != one.call:
        yield from _arguments("asked for", one.original, revealed=revealed)
    yield f"digest     {one.call.digest}"
    yield f"state      {_how(one)} ({one.state.value}{f', {one.taken_by}' if one.taken_by else ''})"
    yield f"waits for  {_for_whom(one)}, {_left(one)}"
    if standing is not None:
        yield f"authority  {standing.words}"
    try:
        reached = read_reach(one.reach)
    except ConfigurationError as error:
        yield f"reached    {plain(str(error), MAX_VALUE_CHARACTERS)}"
        return
    yield f"reached    {_server(reached.server)} in {plain(reached.folder, MAX_VALUE_CHARACTERS)}"
    if reached.env:
        names = " ".join(f"--env {identifier(name).text}" for name in reached.env)
        yield f"wants      {names}"


def _server(typed: str | tuple[str, ...]) -> str:
    """Return how a server is reached, without the credentials that a URL or a command may hold (G7)."""
    from allowly_harness.display.secrets import masked_text
    from allowly_harness.protocol.errors import ConfigurationError
    from allowly_harness.servers import is_url, parse_server

    text = typed if isinstance(typed, str) else " ".join(typed)
    if isinstance(typed, str) and is_url(text.strip()):
        try:
            text = parse_server(text).info.configured
        except ConfigurationError:
            return "a URL that cannot be read"
    return plain(joined(masked_text(text[:MAX_LINE_CHARACTERS])[0]).text, MAX_VALUE_CHARACTERS)


def _how(one: PendingCall) -> str:
    if one.taken_by is not None:
        return "at work"
    return "free" if one.free else "unknown"


def _for_whom(one: PendingCall) -> str:
    return "you" if one.kind == "confirm" else f'"{one_line(one.escalation_to or "nobody is named", 60).text}"'


def _left(one: PendingCall) -> str:
    left = (one.expires_at - datetime.now(UTC)).total_seconds()
    return f"{duration(left)} left" if left > 0 else "has run out"


def _arguments(heading: str, call: ToolCall, *, revealed: bool) -> Iterator[str]:
    from allowly_harness.display.values import full_arguments

    first, *others = full_arguments(call.payload(), revealed=revealed)
    yield f"{heading:<11}{first.text}"
    yield from (f"{'':<11}{line.text}" for line in others)

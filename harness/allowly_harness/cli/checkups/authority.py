"""The authority: whether it is there, takes the key, and can tell what a question is about."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio
import anyio.to_thread

from allowly_authority.errors import (
    AuthorityError,
    AuthorityUnavailable,
    KeyRejected,
    LookupUnsupported,
    MalformedReply,
    NotAllowed,
    PromptUnknown,
)
from allowly_authority.identifiers import new_id
from allowly_authority.store.schema import StoreError
from allowly_harness.cli.checkups.finding import Finding, Tell
from allowly_harness.cli.checkups.transport import Probe, findings_of, probe
from allowly_harness.cli.exits import ExitCode
from allowly_harness.cli.opening import open_authority
from allowly_harness.protocol.errors import ConfigurationError
from allowly_harness.settings import Settings

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient

CHECK_SECONDS: Final = 15.0
"""How long looking at the authority may take: a name that is looked up in vain can hold up longer than any socket."""

_HOW_TO_NAME_ONE: Final = "--authority URL, ALLOWLY_BASE_URL, [authority] url, or --authority embedded"


async def check_authority(tell: Tell, settings: Settings) -> None:
    """Look at the authority that is configured; nothing is decided, created or used up there."""
    if settings.authority is None:
        text = "none is named, so no call that needs an approval runs"
        tell(Finding.warn("authority", text, _HOW_TO_NAME_ONE))
        return
    try:
        async with open_authority(settings) as opened:
            if opened is not None:
                where = "embedded" if opened.embedded else f"{opened.base_url} (from {settings.authority_source})"
                await _look_at(tell, opened.client, opened.base_url, where)
    except (ConfigurationError, StoreError) as error:
        tell(Finding.fail("authority", str(error), _HOW_TO_NAME_ONE))


async def _look_at(tell: Tell, client: AuthorityClient, base_url: str, where: str) -> None:
    found = Probe(f"no answer within {CHECK_SECONDS:g} s")
    with anyio.move_on_after(CHECK_SECONDS):
        found = await anyio.to_thread.run_sync(probe, base_url, abandon_on_cancel=True)
    if not found.problem:
        tell(Finding.ok("authority", where))
    for finding in findings_of(found, base_url, time.time()):
        tell(finding)
    if not found.problem:
        role = await _role(client)
        if role is not None:
            tell(role)
        tell(await _api(client))


async def _role(client: AuthorityClient) -> Finding | None:
    """Say whose key it is and what it is for; nothing where the authority does not tell."""
    try:
        holder = await client.holder()
    except AuthorityError:
        return None  # what is wrong with the key or the authority is said by what comes next
    roles = ", ".join(sorted(holder.roles))
    if "workspace" in holder.roles:
        text = "the workspace key: every right, in anybody's name"
        return Finding.ok("role", text, "make a key of its own for each gate, approver and operator")
    named = f", also addressed as {', '.join(holder.addresses)}" if holder.addresses else ""
    text = f"{roles}; {holder.principal_id}{named}"
    if "approver" in holder.roles:
        return Finding.ok("role", text)
    return Finding.warn("role", f"{text}: it can approve nothing", "use the key of an approver where people answer")


async def _api(client: AuthorityClient) -> Finding:
    """Ask for a question that nobody put: whoever answers that it is not known has taken the key."""
    try:
        await client.lookup_prompt(nonce=new_id("doctor"))
    except PromptUnknown:
        return Finding.ok("look-up", "the key is accepted, and questions are checked against the authority's record")
    except LookupUnsupported:
        text = "this authority cannot tell what a question is about: the card rests on the server's word, and says so"
        return Finding.warn("look-up", text)
    except NotAllowed:
        return Finding.warn("look-up", "this key may not ask what a question is about, so that none is put with it")
    except KeyRejected as error:
        return Finding.fail("key", str(error), "use the key of this authority", ExitCode.AUTHORITY_UNREACHABLE)
    except (AuthorityUnavailable, MalformedReply) as error:
        return Finding.fail("authority", str(error), "is this an authority's URL?", ExitCode.AUTHORITY_UNREACHABLE)
    except AuthorityError as error:
        return Finding.warn("look-up", str(error), "try again later")
    return Finding.warn("look-up", "the authority describes a question that nobody put", "do not trust it")

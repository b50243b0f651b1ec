"""Who calls: from the verified token, from a header of a trusted proxy, or from a function of the server's author.

An argument of a call never says who calls: whoever makes the call chooses it.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any, Final

import anyio

from allowly_middleware.pipeline.exchange import Auth, Exchange, Transport
from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject

logger = logging.getLogger(__name__)

SUBJECT_TIMEOUT_SECONDS: Final = 5.0
"""How long an asynchronous resolver may take, in seconds. Without its answer nothing runs."""


class SubjectUnavailableError(Exception):
    """The resolver failed, so nobody knows who calls."""


@dataclass(frozen=True, slots=True)
class Caller:
    """What a resolver is given.

    Attributes:
        auth: What the transport has verified.
        transport: How the request came.
        native: The framework's own context.
    """

    auth: Auth
    transport: Transport
    native: Any = field(repr=False)


SubjectFn = Callable[[Caller], Subject | str | Awaitable[Subject | str | None] | None]
"""Returns the subject, or its id alone, or `None` for nobody in particular."""


def of_token(
    *, groups_claim: str | None = None, metadata_claims: Collection[str] = (), tenant_claim: str | None = None
) -> SubjectFn:
    """Return a resolver that takes the subject from the verified access token. Without a token it is anonymous.

    Args:
        groups_claim: The claim that lists the groups; by default there are none.
        metadata_claims: The claims that go into the subject's metadata.
        tenant_claim: The claim that names the tenant.
    """

    def resolve(caller: Caller) -> Subject:
        auth = caller.auth
        if not auth.authenticated or auth.user_id is None or not auth.user_id.strip():
            return ANONYMOUS
        groups = auth.claims.get(groups_claim) if groups_claim is not None else None
        tenant = auth.claims.get(tenant_claim) if tenant_claim is not None else None
        return Subject(
            auth.user_id,
            frozenset(group for group in groups if isinstance(group, str)) if isinstance(groups, list) else frozenset(),
            {name: auth.claims[name] for name in metadata_claims if name in auth.claims},
            tenant=tenant if isinstance(tenant, str) else None,
        )

    return resolve


def of_trusted_proxy(user_header: str, *, proxies: Collection[str], groups_header: str | None = None) -> SubjectFn:
    """Return a resolver that believes headers, but only those of requests that a proxy of yours has sent.

    The proxy must remove these headers from what comes from outside. A request from anywhere else is anonymous.

    Args:
        user_header: Names the user.
        proxies: Addresses, or networks such as "10.0.0.0/8", of the proxies.
        groups_header: Lists the groups, with commas.

    Raises:
        ValueError: An address is none, or there is none.
    """
    networks = [ip_network(proxy) for proxy in proxies]
    if not networks:
        raise ValueError("proxies must name at least one address: without one every client could name any user")
    user_name = user_header.lower()
    groups_name = None if groups_header is None else groups_header.lower()

    def resolve(caller: Caller) -> Subject:
        transport = caller.transport
        try:
            address = ip_address(transport.client_host or "")
        except ValueError:
            return ANONYMOUS
        user_id = transport.headers.get(user_name, "").strip()
        if not user_id or not any(address in network for network in networks):
            return ANONYMOUS
        listed = transport.headers.get(groups_name, "") if groups_name is not None else ""
        return Subject(user_id, frozenset(group.strip() for group in listed.split(",") if group.strip()))

    return resolve


async def resolved(resolver: SubjectFn | None, exchange: Exchange) -> Subject:
    """Return who calls.

    Args:
        resolver: Finds it out; `None` for the subject of the verified token.
        exchange: The request.

    Raises:
        SubjectUnavailableError: The resolver raised, took too long, or answered with something else.
    """
    try:
        answer = (resolver or of_token())(Caller(exchange.auth, exchange.transport, exchange.native))
        if inspect.isawaitable(answer):
            with anyio.fail_after(SUBJECT_TIMEOUT_SECONDS):
                answer = await answer
        return _subject(answer)
    except Exception as error:  # noqa: BLE001 - whatever it is, nobody knows who calls
        logger.error("finding out who calls ended in %s; the request was refused", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
        raise SubjectUnavailableError from None


def _subject(answer: object) -> Subject:
    if isinstance(answer, Subject):
        return answer
    if answer is None:
        return ANONYMOUS
    if isinstance(answer, str):
        return Subject(answer) if answer.strip() else ANONYMOUS
    raise TypeError("a resolver returns a Subject, an id, or None")

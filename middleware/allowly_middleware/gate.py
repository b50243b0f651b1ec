"""The decision for one tool call, free of any server framework.

The gate finds out whose call it is, asks the authority, and says whether the tool may run. It
never raises for anything that a call, a callback or the authority can do wrong: all of that is a
deny with a reason, because what escapes here would reach the client as an error that does not say
whether the tool ran.
"""

from __future__ import annotations

import inspect
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, TypeGuard, TypeVar

import anyio

from allowly_authority.binding import bound_resource, canonical_json
from allowly_authority.errors import AuthorityError, AuthorityUnavailable
from allowly_authority.wire.replies import CheckReply
from allowly_middleware.continuations import Continuations
from allowly_middleware.facts import BOUND, AuthorizationIdFn, CallFacts, CheckInput, CheckInputFn, Dialect, UserIdFn
from allowly_middleware.payload import blocked_payload, denied
from allowly_middleware.verdicts import CheckRequest, Grant, Verdict, fallback_reason, unavailable

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

CHECK_TIMEOUT_SECONDS: Final = 1.0
"""How long one check may take, its repetition included. The published SDKs' own limit."""

CALLBACK_TIMEOUT_SECONDS: Final = 5.0
"""How long an asynchronous callback of the server's author may take."""

RETRY_PAUSE_SECONDS: Final = 0.05
"""The pause before a check is repeated, once and under the same key, that found the authority just restarting."""


class Checker(Protocol):
    """The one thing that the gate needs of an authority client."""

    async def check(
        self,
        *,
        authorization_id: str,
        scopes: list[str],
        resource: str | None = None,
        session_id: str | None = None,
        context: Mapping[str, Any] | None = None,
        dialect: Dialect = "scopes",
        idempotency_key: str | None = None,
    ) -> CheckReply:
        """Ask the authority."""
        ...


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call of which everything is known but the authority's answer.

    Attributes:
        arguments: As the tool will get them.
        arguments_json: The same as canonical JSON; `None` where they have no such form.
        request: What the authority will be asked.
        continues: Whether it claims to bring input that an earlier leg asked for.
        request_state: The state that it brings back.
    """

    tool: str
    arguments: Mapping[str, Any]
    arguments_json: str | None
    request: CheckRequest
    continues: bool
    request_state: str | None

    def as_leg(self, request_state: str | None, *, continues: bool) -> Prepared:
        """Return the same call as another leg of its run."""
        return replace(self, request_state=request_state, continues=continues)


class Gate:
    """Decides calls, one after another or many at once.

    Args:
        authority: Answers checks.
        authorization_id_fn: Gives the authorization of a user; `None` or "" where there is none.
        user_id_fn: Gives the user of a call from what the transport knows of it. Where it is not
            given, the user is the tool argument `user_id`. **An argument is chosen by the
            caller**: whoever can call the tool can name any user. Leave it out only where every caller
            may act for every user.
        check_input_fn: Gives scope, resource and context of the check.
        dialect: Which words the authority speaks.
        bind_arguments: Whether an approval opens this call with these arguments, or the tool with any.
        check_timeout_seconds: How long a check may take; above 0.
    """

    def __init__(
        self,
        authority: Checker,
        authorization_id_fn: AuthorizationIdFn,
        *,
        user_id_fn: UserIdFn | None = None,
        check_input_fn: CheckInputFn | None = None,
        dialect: Dialect = "scopes",
        bind_arguments: bool = True,
        check_timeout_seconds: float = CHECK_TIMEOUT_SECONDS,
    ) -> None:
        if dialect not in {"scopes", "actions"}:
            raise ValueError(f"dialect must be 'scopes' or 'actions', not {dialect!r}")
        if not check_timeout_seconds > 0:
            raise ValueError("check_timeout_seconds must be above 0")
        self._authority = authority
        self._authorization_id_fn = authorization_id_fn
        self._user_id_fn = user_id_fn
        self._check_input_fn = check_input_fn
        self._dialect: Dialect = dialect
        self._bind_arguments = bind_arguments
        self._check_timeout = check_timeout_seconds
        self._continuations = Continuations()

    async def decide(self, facts: CallFacts, *, earlier: Grant | None = None) -> Verdict:
        """Decide one call.

        Args:
            facts: The call, as it will run.
            earlier: The grant that this same request already has. The authority is asked again
                only where the call has since become another one.

        Returns:
            A verdict. Nothing is raised but cancellation.
        """
        prepared = await self.prepare(facts, earlier=earlier)
        return prepared if isinstance(prepared, Verdict) else await self.check(prepared)

    async def prepare(self, facts: CallFacts, *, earlier: Grant | None = None) -> Prepared | Verdict:
        """Find out all that is needed to ask the authority about a call.

        Args:
            facts: As for `decide`.
            earlier: As for `decide`.

        Returns:
            A verdict where the authority need not be asked. Nothing is raised but cancellation.
        """
        arguments_json = _canonical(facts.arguments)
        if earlier is not None and earlier.covers(facts.tool, arguments_json):
            return Verdict(earlier)
        try:
            request = await self._request(facts, arguments_json)
        except _DeniedError as no:
            return no.verdict
        if earlier is not None and request == earlier.request:
            return Verdict(Grant(facts.tool, arguments_json, request, earlier.key))
        return Prepared(facts.tool, facts.arguments, arguments_json, request, facts.continues, facts.request_state)

    def suspended(self, grant: Grant, request_state: str | None) -> None:
        """Note that a run asked its client for input, so that the next leg needs no second approval.

        Args:
            grant: What the run had.
            request_state: The state that the next leg must bring back, as the gate will see it.
        """
        if grant.arguments_json is not None:
            self._continuations.put(_leg(grant, request_state), grant.key)

    async def check(self, call: Prepared) -> Verdict:
        """Ask the authority about a call. Nothing is raised but cancellation."""
        grant = Grant(call.tool, call.arguments_json, call.request, fresh_key())
        leg = _leg(grant, call.request_state)
        key = self._continuations.take(leg) if call.continues and call.arguments_json is not None else None
        if key is None:
            return await self._check(grant)
        decided = False
        try:
            verdict = await self._check(replace(grant, key=key))
            decided = verdict.meta is None
        finally:
            if not decided:
                self._continuations.put(leg, key)
        return verdict

    async def _check(self, grant: Grant) -> Verdict:
        try:
            with anyio.fail_after(self._check_timeout):
                reply = await twice_if_harmless(lambda: self._ask_once(grant))
        except TimeoutError:
            return unavailable("fallback_closed_timeout")
        except AuthorityError as error:
            return unavailable(fallback_reason(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the tool must not run
            logger.error("the check ended in %s; the tool was not run", type(error).__name__)  # noqa: TRY400 - its text may hold secrets
            return unavailable("fallback_closed_error")
        result = reply.results.get(grant.request.scope)
        if result is None:
            return unavailable("fallback_closed_malformed")
        if result.decision == "allow":
            return Verdict(grant, reason=result.reason)
        return Verdict(payload=blocked_payload(result))

    async def _ask_once(self, grant: Grant) -> CheckReply:
        request = grant.request
        return await self._authority.check(
            authorization_id=request.authorization_id,
            scopes=[request.scope],
            resource=request.resource,
            session_id=request.session_id,
            context=request.context,
            dialect=self._dialect,
            idempotency_key=grant.key,
        )

    async def _request(self, facts: CallFacts, arguments_json: str | None) -> CheckRequest:
        user_id = await self._user_id(facts)
        authorization_id = await _answer(self._authorization_id_fn, user_id, "authorization_id_unavailable")
        if not _is_id(authorization_id):
            raise _DeniedError(Verdict(payload=denied("authorization_not_found")))
        check = CheckInput() if self._check_input_fn is None else await self._check_input(self._check_input_fn, facts)
        scope = facts.tool if check.scope is None else check.scope
        resource = self._resource(check, facts.tool, arguments_json)
        context = check.context if facts.asked is None else {**(check.context or {}), **facts.asked}
        context_json = None if context is None else canonical_json(context)
        return CheckRequest(authorization_id, scope, resource, check.session_id, context_json, context, user_id)

    async def _check_input(self, check_input_fn: CheckInputFn, facts: CallFacts) -> CheckInput:
        check = await _answer(check_input_fn, facts, "check_input_unavailable")
        if not isinstance(check, CheckInput) or not check.is_usable:
            raise _DeniedError(Verdict(payload=denied("check_input_invalid")))
        return check

    async def _user_id(self, facts: CallFacts) -> str:
        if self._user_id_fn is None:
            user_id = facts.arguments.get("user_id")
        else:
            user_id = await _answer(self._user_id_fn, facts, "user_id_unavailable")
        if not _is_id(user_id):
            raise _DeniedError(Verdict(payload=denied("authorization_not_found")))
        return user_id

    def _resource(self, check: CheckInput, tool: str, arguments_json: str | None) -> str | None:
        if check.resource is not BOUND:
            return check.resource
        if not self._bind_arguments:
            return None
        if arguments_json is None:
            raise _DeniedError(Verdict(payload=denied("arguments_not_canonical")))
        return bound_resource(tool, arguments_json)


class _DeniedError(Exception):
    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict


async def _answer(callback: Callable[[Any], Any], argument: Any, reason: str) -> Any:
    """Call `callback`; whatever goes wrong in it is a deny with `reason`, and its text stays here."""
    try:
        answer = callback(argument)
        if inspect.isawaitable(answer):
            with anyio.fail_after(CALLBACK_TIMEOUT_SECONDS):
                answer = await answer
    except Exception as error:  # noqa: BLE001 - any failure of it must close the gate
        logger.error("a callback ended in %s (%s); the tool was not run", type(error).__name__, reason)  # noqa: TRY400 - its text may hold secrets
        raise _DeniedError(unavailable(reason)) from None
    return answer


def _canonical(value: Mapping[str, Any]) -> str | None:
    try:
        return canonical_json(value)
    except ValueError:
        return None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value.strip())


def _leg(grant: Grant, request_state: str | None) -> tuple[object, ...]:
    return (grant.request, grant.tool, grant.arguments_json, request_state)


async def twice_if_harmless(send: Callable[[], Awaitable[_T]]) -> _T:
    """Send a request under an idempotency key, and once more where it found the authority just restarting."""
    try:
        return await send()
    except AuthorityUnavailable as error:
        # The client itself repeats a request whose connection ended: an idle one always may.
        if error.kind not in {"connect", "server"}:
            raise
    await anyio.sleep(RETRY_PAUSE_SECONDS)
    return await send()


def fresh_key() -> str:
    """Return an idempotency key that was never used."""
    return uuid.uuid4().hex

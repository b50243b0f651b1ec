"""One leg of a call: hear what a person said to an earlier question, decide, and ask if need be.

A leg counts as an answer only if its state opens and is bound to this very call of this very user.
Any other state is no answer: the call is decided as if it were new, and where it needs a confirmation
that is a new question. Whether an answer is the first one, the authority decides.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, ClassVar, Final

import anyio

from allowly_authority.binding import canonical_json, digest_of
from allowly_middleware.asking.question import said_in, schema_of, text_of, word_for
from allowly_middleware.asking.sealed import Asked, Leg, SealedStates, is_ours
from allowly_middleware.asking.settling import Settler, approve, refuse
from allowly_middleware.facts import CallFacts
from allowly_middleware.gate import CALLBACK_TIMEOUT_SECONDS, Gate, Prepared
from allowly_middleware.verdicts import Grant, Verdict

logger = logging.getLogger(__name__)

QUESTION_SECONDS: Final = 300.0
"""How long a question waits for its answer, at most: the life of a confirmation at the authority."""

MAX_QUESTIONS: Final = 3
"""Most questions about one call, one after another. Then it is blocked as for any other client."""


@dataclass(frozen=True, slots=True)
class Client:
    """The client of one request, as far as a question needs it.

    Attributes:
        can_be_asked: Whether it has said that it shows forms to a person, on a connection that allows it.
        responses: What the request brings of what was asked for, as it came.
        is_destructive: Finds out whether the server marks the called tool as destructive.
    """

    can_be_asked: bool
    responses: Any = field(repr=False)
    is_destructive: Callable[[], Awaitable[bool]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Question:
    """What the client is to show."""

    text: str
    schema: Mapping[str, Any]
    state: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done with one leg.

    Attributes:
        verdict: The gate's answer.
        question: What the client is asked in place of a blocked result; `None` where it is not asked.
        leg: What the tool is to be given in place of what the request brings; `None` for no change.
    """

    verdict: Verdict
    question: Question | None = None
    leg: Leg | None = None


class Deciding:
    """Decides legs without asking anybody.

    Args:
        gate: Decides calls.
    """

    asks: ClassVar[bool] = False
    """Whether clients may be asked."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def suspended(self, grant: Grant, request_state: str | None) -> None:
        """Note that a run asked its client for input; as `Gate.suspended`."""
        self._gate.suspended(grant, request_state)

    async def decide(self, facts: CallFacts, client: Client | None, *, earlier: Grant | None) -> Decision:
        """Decide one leg.

        Args:
            facts: The call.
            client: Who made it; `None` where that plays no role.
            earlier: As for `Gate.decide`.

        Returns:
            A decision. Nothing is raised but cancellation.
        """
        del client
        return Decision(await self._gate.decide(facts, earlier=earlier))

    def for_tool(self, brought: Leg) -> Leg | None:
        """Return what the tool may see of a leg that is about to enter it; `None` for all of it."""
        del brought
        return None

    def for_client(self, state: str | None) -> str | None:
        """Return the state of a tool that asks for input, as the client is to carry it."""
        return state


class Asking(Deciding):
    """Decides legs, and asks clients that can be asked.

    Args:
        gate: Decides calls.
        authority: Told what people say.
        states: Seals what the client carries.
        clock: Seconds since 1970.
    """

    asks = True

    def __init__(
        self, gate: Gate, authority: Settler, states: SealedStates, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(gate)
        self._authority = authority
        self._states = states
        self._clock = clock

    async def decide(self, facts: CallFacts, client: Client | None, *, earlier: Grant | None) -> Decision:
        """Decide one leg; as `Deciding.decide`."""
        if client is None or not client.can_be_asked:
            return await super().decide(facts, client, earlier=earlier)
        call = await self._gate.prepare(facts, earlier=earlier)
        if isinstance(call, Verdict):
            return Decision(call)
        asked = self._states.question(facts.request_state)
        if asked is not None and _is_about(asked, call):
            return await self._heard(call, client, asked)
        brought = Leg(facts.request_state, client.responses)
        own = self.for_tool(brought)
        # What belongs to no question about this call is not kept, unless the tool has made it.
        return await self._decided(call, client, brought if own is None or own != Leg() else Leg())

    def for_tool(self, brought: Leg) -> Leg | None:
        """Return what the tool may see of a leg; as `Deciding.for_tool`.

        A state of ours never reaches a tool. The tool's own state that only begins like ours is taken
        out of the seal that `for_client` put round it.
        """
        if brought.state is None or not is_ours(brought.state):
            return None
        own = self._states.for_tool(brought.state)
        return Leg() if own is None else Leg(own, brought.responses)

    def for_client(self, state: str | None) -> str | None:
        """Return the state of a tool as the client is to carry it."""
        return None if state is None else self._states.for_client(state)

    async def _heard(self, call: Prepared, client: Client, asked: Asked) -> Decision:
        if self._clock() < asked.until:
            said = said_in(client.responses, asked.word)
            if said == "nothing":
                return Decision(Verdict(payload=asked.payload))
            no = await (approve if said == "approve" else refuse)(self._authority, asked.payload["confirm_nonce"])
            if no is not None:
                return Decision(no)
        leg = asked.leg
        call = call.as_leg(leg.state, continues=leg != Leg())
        return replace(await self._decided(call, client, leg, number=asked.round + 1), leg=leg)

    async def _decided(self, call: Prepared, client: Client, brought: Leg, *, number: int = 1) -> Decision:
        verdict = await self._gate.check(call)
        if verdict.payload.get("decision") != "confirm" or number > MAX_QUESTIONS:
            return Decision(verdict)
        return Decision(verdict, await self._question(call, client, verdict.payload, brought, number=number))

    async def _question(
        self, call: Prepared, client: Client, payload: Mapping[str, Any], brought: Leg, *, number: int
    ) -> Question | None:
        binding = _binding(call)
        if binding is None:
            return None
        word = word_for(call.tool) if await _is_destructive(client) else ""
        text = text_of(call.tool, call.arguments, payload, call.request.resource, word)
        if text is None:
            return None
        until = _until(payload, self._clock())
        state = self._states.seal(Asked(dict(payload), binding, until, word, number, brought))
        return None if state is None else Question(text, schema_of(word), state)


def _binding(call: Prepared) -> str | None:
    if call.arguments_json is None:
        return None
    request = call.request
    about = [request.user_id, request.authorization_id, request.scope, request.resource, call.tool]
    return digest_of(canonical_json([*about, digest_of(call.arguments_json)]))


def _is_about(asked: Asked, call: Prepared) -> bool:
    binding = _binding(call)
    return binding is not None and hmac.compare_digest(asked.binding, binding)


def _until(payload: Mapping[str, Any], now: float) -> float:
    try:
        expires = datetime.fromisoformat(payload["confirm_expires_at"]).timestamp()
    except (TypeError, ValueError):
        expires = 0.0
    # An end in the past is a clock that is wrong, here or there; the authority knows better and takes no late answer.
    return min(expires, now + QUESTION_SECONDS) if expires > now else now + QUESTION_SECONDS


async def _is_destructive(client: Client) -> bool:
    try:
        with anyio.fail_after(CALLBACK_TIMEOUT_SECONDS):
            return await client.is_destructive()
    except Exception as error:  # noqa: BLE001 - what is not known is taken for destructive
        logger.warning("the tool's annotations could not be read: %s", type(error).__name__)
        return True

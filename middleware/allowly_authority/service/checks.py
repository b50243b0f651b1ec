"""One check, as one transaction: look up, decide, claim or ask, record, remember the reply.

A reply is remembered under its `Idempotency-Key` where something besides the authorization's own rules
takes part. What those rules alone decide opens nothing and uses up nothing, so that asking again
changes nothing either: it is decided anew, under any key, with a receipt of its own. Rules never
change, so a request cannot pass from one kind to the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from allowly_authority.binding import canonical_json
from allowly_authority.engine import (
    CONFIRMATION_LIFE_MS,
    ESCALATION_LIFE_MS,
    Authorization,
    Circumstances,
    Principal,
    Prompt,
    Question,
    Verdict,
    decide,
    faults_in,
    needs_standing,
    question_of,
    refusal,
)
from allowly_authority.identifiers import new_id
from allowly_authority.service.idempotency import Repeatable
from allowly_authority.service.nonces import NonceMaker, nonce_hash
from allowly_authority.service.problems import conflict, invalid
from allowly_authority.service.receipts import ENGINE_VERSION, POLICY_VERSION, Subject, pending_receipt, record
from allowly_authority.service.standing import standing_of, use_up
from allowly_authority.store import records
from allowly_authority.store.port import Connection
from allowly_authority.wire.requests import CheckRequest
from allowly_authority.wire.scalars import format_timestamp

MAX_PENDING_PROMPTS: Final = 1000
"""Most open questions of one authorization; checks that would raise more are denied."""


def is_stateful(authorization: Authorization | None, names: Iterable[str]) -> bool:
    """Tell whether more than the rules decides: a question, an approval, a count, a budget."""
    return any(needs_standing(authorization, name) for name in names)


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One check with everything that it depends on besides the database."""

    request: CheckRequest
    idempotency_key: str | None
    sender: Principal
    nonces: NonceMaker
    base_url: str
    now_ms: int

    def answer(self, connection: Connection, authorization: Authorization | None) -> dict[str, Any]:
        """Return the reply, inside a change that makes it true.

        Args:
            connection: Of the change.
            authorization: As this change has read it; locked where more than its rules decide.

        Raises:
            ApiProblem: 422, the rules need something that the request does not say; 409, the idempotency key was
                used for another request, and the rules alone do not decide this one.
        """
        asked = self.asked
        faults = faults_in(authorization, self.request.names, self.request.dialect, asked)
        if faults:
            raise invalid(*faults)
        key = self.idempotency_key if is_stateful(authorization, self.request.names) else None
        repeatable = Repeatable("check", key, b"" if key is None else self._request_bytes())
        reply = repeatable.earlier_reply(connection, self.now_ms)
        if reply is not None and self._still_holds(authorization, reply, asked):
            return self._with_nonces(connection, reply, {})
        opened: dict[str, Prompt] = {}
        fresh = {
            "authorization_id": self.request.authorization_id,
            "user_id": authorization.user_id if authorization else None,
            "agent_id": authorization.agent_id if authorization else None,
            "authorization_expires_at": format_timestamp(authorization.expires_ms) if authorization else None,
            "policy_version": POLICY_VERSION,
            "engine_version": ENGINE_VERSION,
            "results": {
                name: self._result(connection, authorization, name, asked, opened) for name in self.request.names
            },
        }
        if reply is None:
            repeatable.keep(connection, fresh, self.now_ms)
        return self._with_nonces(connection, fresh, opened)

    @property
    def asked(self) -> Circumstances:
        """What the check tells besides the names."""
        return Circumstances(
            resource=self.request.resource,
            context=self.request.context or {},
            initiator=self.sender.principal_id,
            estimated_cost_micros=self.request.estimated_cost_micros,
        )

    def _request_bytes(self) -> bytes:
        return canonical_json(self.request.model_dump()).encode()

    def _still_holds(self, authorization: Authorization | None, reply: dict[str, Any], asked: Circumstances) -> bool:
        """A stored allow counts for as long as nothing in the rules refuses it."""
        names = [name for name, result in reply["results"].items() if result["decision"] == "allow"]
        refusals = [refusal(authorization, name, self.request.dialect, self.now_ms, asked=asked) for name in names]
        return not any(refusals)

    def _result(
        self,
        connection: Connection,
        authorization: Authorization | None,
        name: str,
        asked: Circumstances,
        opened: dict[str, Prompt],
    ) -> dict[str, Any]:
        question = question_of(authorization, self.request.authorization_id, name, self.request.dialect, asked)
        standing = standing_of(connection, authorization, question, self.now_ms)
        verdict = decide(authorization, name, self.request.dialect, standing, self.now_ms, asked=asked)
        receipt_id = new_id("rcp")
        use_up(connection, question, verdict, receipt_id, self.now_ms)
        prompt = verdict.prompt
        if verdict.open_prompt and authorization is not None:
            if records.count_pending(connection, authorization.authorization_id, self.now_ms) >= MAX_PENDING_PROMPTS:
                verdict = Verdict("deny", "too_many_pending")
            else:
                prompt = self._open_prompt(connection, question, verdict, receipt_id)
                opened[prompt.prompt_id] = prompt
        record(
            connection,
            Subject(authorization, question.authorization_id, self.request.dialect),
            receipt_id=receipt_id,
            event="check",
            decision=verdict.decision,
            reason=verdict.reason,
            context=self._recorded_context(verdict, prompt),
            policy_eval=verdict.policy_eval if authorization is not None and authorization.policy is not None else None,
            scope=name,
            resource=question.resource,
            session_id=self.request.session_id,
            prompt_id=prompt.prompt_id if prompt else next((claim.prompt_id for claim in verdict.claims), None),
            principal_id=self.sender.principal_id,
            now_ms=self.now_ms,
        )
        result = self._rendered(verdict, prompt, receipt_id)
        # Older clients know inline conditions in another form, and refuse both of them in a reply.
        if authorization is not None and authorization.policy is not None:
            result["policy_eval"] = verdict.policy_eval
        return result

    def _recorded_context(self, verdict: Verdict, prompt: Prompt | None) -> dict[str, Any]:
        """What the receipt tells besides the decision. A request cannot use these names itself."""
        context: dict[str, Any] = dict(self.request.context or {})
        if self.request.session_id is not None:
            context["session_id"] = self.request.session_id
        if verdict.budget is not None:
            context["budget"] = verdict.budget.as_json()
        if prompt is not None and prompt.kind == "escalate":
            context["escalation"] = {"escalation_id": prompt.prompt_id, "escalation_to": prompt.escalation_to}
        return context

    def _open_prompt(
        self,
        connection: Connection,
        question: Question,
        verdict: Verdict,
        receipt_id: str,
    ) -> Prompt:
        confirm = verdict.decision == "confirm"
        salt = self.nonces.new_salt() if confirm else None
        prompt = Prompt(
            prompt_id=new_id("cnf" if confirm else "esc"),
            kind="confirm" if confirm else "escalate",
            dialect=self.request.dialect,
            authorization_id=question.authorization_id,
            scope=question.scope,
            resource=question.resource,
            state="pending",
            created_ms=self.now_ms,
            expires_ms=self.now_ms + (CONFIRMATION_LIFE_MS if confirm else ESCALATION_LIFE_MS),
            single_use=question.single_use or not confirm,
            escalation_to=None if confirm else verdict.target,
            source_receipt_id=receipt_id,
            nonce_salt=salt,
            requested_by=self.sender.principal_id,
            quorum=1 if confirm else verdict.quorum,
        )
        hashed = None if salt is None else nonce_hash(self.nonces.nonce(salt))
        records.insert_prompt(connection, prompt, question.binding, hashed)
        return prompt

    def _rendered(self, verdict: Verdict, prompt: Prompt | None, receipt_id: str) -> dict[str, Any]:
        result: dict[str, Any] = {
            "decision": verdict.decision,
            "reason": verdict.reason,
            "receipt": pending_receipt(receipt_id, self.now_ms, self.base_url),
            "budget": None if verdict.budget is None else verdict.budget.as_json(),
            "escalation": None,
        }
        if verdict.superseded_by is not None:
            result["superseded_by"] = verdict.superseded_by
        if prompt is None:
            return result
        expires_at = format_timestamp(prompt.expires_ms)
        if prompt.kind == "confirm":
            # The nonce is filled in on the way out, see `_with_nonces`: what is stored never holds it.
            result |= {
                "confirmation_id": prompt.prompt_id,
                "confirm_nonce": None,
                "confirm_expires_at": expires_at,
                "confirm_prompt_hint": prompt.scope,
            }
            return result
        target = {"escalation_id": prompt.prompt_id, "escalation_to": prompt.escalation_to}
        result |= {**target, "escalation_expires_at": expires_at}
        result["escalation"] = {**target, "status": "pending", "expires_at": expires_at}
        return result

    def _with_nonces(
        self, connection: Connection, reply: dict[str, Any], opened: Mapping[str, Prompt]
    ) -> dict[str, Any]:
        results = {
            name: {**result, "confirm_nonce": self._nonce(connection, result["confirmation_id"], opened)}
            if result["decision"] == "confirm"
            else result
            for name, result in reply["results"].items()
        }
        return {**reply, "results": results}

    def _nonce(self, connection: Connection, confirmation_id: str, opened: Mapping[str, Prompt]) -> str:
        prompt = opened.get(confirmation_id) or records.find_prompt(connection, confirmation_id)
        if prompt is None or prompt.nonce_salt is None:
            raise RuntimeError("a confirmation without a record")
        nonce = self.nonces.nonce(prompt.nonce_salt)
        # What this very change has opened was made with this key; looking would only cost two more round trips.
        if confirmation_id not in opened:
            issued = records.find_prompt_by_nonce(connection, nonce_hash(nonce))
            if issued is None or issued.prompt_id != prompt.prompt_id:
                raise conflict("The first reply to this Idempotency-Key was made under another workspace key.")
        return nonce

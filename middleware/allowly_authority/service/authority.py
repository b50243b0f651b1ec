"""The authority itself: a database, a key and a clock behind the requests of the API."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

from allowly_authority.engine import Authorization, Principal
from allowly_authority.service import authorizations, behind, budgets, bundles, keys, policies, prompts
from allowly_authority.service.asking_ahead import AHEAD_MS, ask_ahead
from allowly_authority.service.checks import CheckRun, is_stateful
from allowly_authority.service.clock import Clock
from allowly_authority.service.explaining import explain_check
from allowly_authority.service.holders import KeyHolders
from allowly_authority.service.inbox import list_prompts, visible
from allowly_authority.service.nonces import NonceMaker
from allowly_authority.service.plain_checks import RememberedRules
from allowly_authority.service.problems import not_found
from allowly_authority.service.receipts import ReceiptKeys, list_receipts, read_receipt, with_signed_receipts
from allowly_authority.service.streaming import Frame, PromptStream
from allowly_authority.service.watching import Position, PromptWatch
from allowly_authority.store import records
from allowly_authority.store.port import Connection, Database
from allowly_authority.store.retention import remove_old_rows
from allowly_authority.store.schema import StoreError
from allowly_authority.wire.bundles import BundleCreateRequest
from allowly_authority.wire.creation import Creation
from allowly_authority.wire.explaining import ExplainRequest
from allowly_authority.wire.keys import KeyCreateRequest, KeyQuery
from allowly_authority.wire.paging import AuthorizationQuery, BundleQuery, PolicyQuery, PromptQuery, ReceiptQuery
from allowly_authority.wire.policies import PolicyCreateRequest, SettleBudgetRequest
from allowly_authority.wire.prompts import WatchQuery
from allowly_authority.wire.requests import (
    CheckRequest,
    LookupRequest,
    ResolveRequest,
    RevokeRequest,
    SettleRequest,
    ShowCallRequest,
)

SWEEP_SECONDS: Final = 60.0
"""How long after old rows were removed the next request has it done again; nothing is done while nobody asks."""

MORE_SWEEP_SECONDS: Final = 1.0
"""The same, where the last run left some."""

ResultT = TypeVar("ResultT")
_logger = logging.getLogger(__name__)


class Authority:
    """Answers the API's requests. Belongs to one event loop.

    Args:
        database: Open, and closed by whoever opened it.
        workspace_key: What nonces are derived from; the HTTP layer compares it with the caller's.
        base_url: How clients reach this authority, for the links in its replies.
        clock: Returns seconds since 1970.
        receipt_keys: What signs receipts; where there is nothing, they stay pending.
    """

    def __init__(
        self,
        database: Database,
        *,
        workspace_key: str,
        base_url: str,
        clock: Callable[[], float] = time.time,
        receipt_keys: ReceiptKeys | None = None,
    ) -> None:
        self._database = database
        self._nonces = NonceMaker(workspace_key)
        self._base_url = base_url
        self._clock = Clock(clock)
        self._receipt_keys = receipt_keys
        self._watch = PromptWatch(database, self._now)
        self._holders = KeyHolders(database)
        self._rules = RememberedRules(database, self._clock)
        self._next_sweep = 0.0
        self._sweep: asyncio.Task[None] | None = None

    async def check(
        self, request: CheckRequest, idempotency_key: str | None, sender: Principal, *, wait: bool = False
    ) -> dict[str, Any]:
        """Decide what is asked for; `POST /v1/check`.

        Args:
            request: What is asked for.
            idempotency_key: Repeating the request under the same one uses up nothing more.
            sender: Who asks, as for all that follows.
            wait: Return signed receipts, where they can be signed.
        """
        remembered = await self._rules.find(request.authorization_id)
        run = CheckRun(request, idempotency_key, sender, self._nonces, self._base_url, self._clock.now_ms(0))
        reply = await self._rules.answer(run, remembered)
        if reply is None:
            reply = await self._check_on_record(run, remembered)
        else:
            self._remove_old_rows_if_due()
        if not wait or self._receipt_keys is None:
            return reply
        keys, base_url = self._receipt_keys, self._base_url
        return await self._database.read(lambda db: with_signed_receipts(db, reply, keys=keys, base_url=base_url))

    async def settle(
        self, nonce: str, request: SettleRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """Answer a confirmation; `POST /v1/confirmations/{nonce}`."""
        return await self._apply(
            lambda db, now: prompts.settle(
                db, nonce, request, sender, idempotency_key=idempotency_key, base_url=self._base_url, now_ms=now
            )
        )

    async def resolve(self, escalation_id: str, request: ResolveRequest, sender: Principal) -> dict[str, Any]:
        """Answer an escalation; `POST /v1/escalations/{id}/resolve`."""
        return await self._apply(
            lambda db, now: prompts.resolve(db, escalation_id, request, sender, base_url=self._base_url, now_ms=now)
        )

    async def create(self, request: Creation, idempotency_key: str | None, sender: Principal) -> dict[str, Any]:
        """Create an authorization; `POST /v1/authorizations`."""
        return await self._apply(
            lambda db, now: authorizations.create(
                db, request, sender, idempotency_key=idempotency_key, base_url=self._base_url, now_ms=now
            )
        )

    async def revoke(
        self, authorization_id: str, request: RevokeRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """End an authorization; `DELETE /v1/authorizations/{id}`."""
        return await self._apply(
            lambda db, now: authorizations.revoke(
                db,
                authorization_id,
                request,
                sender,
                idempotency_key=idempotency_key,
                base_url=self._base_url,
                now_ms=now,
            )
        )

    async def authorizations(self, query: AuthorizationQuery) -> dict[str, Any]:
        """Read a page of authorizations."""
        return await self._read(lambda db, now: authorizations.list_authorizations(db, query, now))

    async def authorization(self, authorization_id: str) -> dict[str, Any]:
        """Read one authorization."""
        return await self._read(lambda db, _: authorizations.read_authorization(db, authorization_id))

    async def explain(self, request: ExplainRequest) -> dict[str, Any]:
        """Say how a check would be decided, and why; nothing is used up. `POST /v1/explain`."""
        return await self._read(lambda db, now: explain_check(db, request, now))

    async def create_key(
        self, request: KeyCreateRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """Make a key for a principal; `POST /v1/keys`."""
        return await self._apply(
            lambda db, now: keys.create(db, request, sender, idempotency_key=idempotency_key, now_ms=now)
        )

    async def keys(self, query: KeyQuery) -> dict[str, Any]:
        """Read a page of keys, without the keys themselves."""
        return await self._read(lambda db, now: keys.list_keys(db, query, now))

    async def revoke_key(self, key_id: str, sender: Principal) -> dict[str, Any]:
        """End a key; `DELETE /v1/keys/{id}`."""
        try:
            return await self._apply(lambda db, now: keys.revoke(db, key_id, sender, now_ms=now))
        finally:
            # Also where the outcome is not known: the next request of each key asks the database.
            self._holders.forget_all()

    async def holder_of(self, key: str) -> Principal | None:
        """Return who holds a key; `None` where it is unknown, revoked or past its end.

        Raises:
            StoreError: The database failed.
        """
        found = await self._holders.find(key)
        usable = found is not None and found.is_usable_at(self._clock.now_ms(0))
        return found.principal if found is not None and usable else None

    async def settle_budget(
        self, request: SettleBudgetRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """Record what an allowed check really cost; `POST /v1/budget-settlements`."""
        return await self._apply(
            lambda db, now: budgets.settle_budget(
                db, request, sender, idempotency_key=idempotency_key, base_url=self._base_url, now_ms=now
            )
        )

    async def publish_policy(
        self, request: PolicyCreateRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """Add an edition to a policy; `POST /v1/policies`."""
        return await self._apply(
            lambda db, now: policies.publish(db, request, sender, idempotency_key=idempotency_key, now_ms=now)
        )

    async def archive_policy(self, policy_id: str, idempotency_key: str | None) -> dict[str, Any]:
        """Let no more authorizations be made of a policy; `DELETE /v1/policies/{id}`."""
        return await self._apply(
            lambda db, now: policies.archive(db, policy_id, idempotency_key=idempotency_key, now_ms=now)
        )

    async def publish_bundle(
        self, request: BundleCreateRequest, idempotency_key: str | None, sender: Principal
    ) -> dict[str, Any]:
        """Put scopes of an agent under a name; `POST /v1/agent-scope-bundles`."""
        return await self._apply(
            lambda db, now: bundles.publish_bundle(db, request, sender, idempotency_key=idempotency_key, now_ms=now)
        )

    async def archive_bundle(self, bundle_id: str, idempotency_key: str | None) -> dict[str, Any]:
        """Let no more authorizations be made of a bundle; `DELETE /v1/agent-scope-bundles/{id}`."""
        return await self._apply(
            lambda db, now: bundles.archive_bundle(db, bundle_id, idempotency_key=idempotency_key, now_ms=now)
        )

    async def bundle(self, bundle_id: str) -> dict[str, Any]:
        """Read a bundle."""
        return await self._read(lambda db, _: bundles.read_bundle(db, bundle_id))

    async def bundles(self, query: BundleQuery) -> dict[str, Any]:
        """Read a page of bundles."""
        return await self._read(lambda db, _: bundles.list_bundles(db, query))

    async def policy(self, policy_id: str) -> dict[str, Any]:
        """Read the latest edition of a policy."""
        return await self._read(lambda db, _: policies.read_policy(db, policy_id))

    async def policies(self, query: PolicyQuery) -> dict[str, Any]:
        """Read a page of policies."""
        return await self._read(lambda db, _: policies.list_policies(db, query))

    async def confirmation_status(self, confirmation_id: str) -> dict[str, Any]:
        """Read how a confirmation stands."""
        return await self._read(lambda db, now: prompts.read_status(db, confirmation_id, "confirm", now))

    async def escalation_status(self, escalation_id: str) -> dict[str, Any]:
        """Read how an escalation stands."""
        return await self._read(lambda db, now: prompts.read_status(db, escalation_id, "escalate", now))

    async def look_up(self, request: LookupRequest) -> dict[str, Any]:
        """Read what a question is about."""
        return await self._read(lambda db, now: prompts.look_up(db, request, now))

    async def show_call(self, request: ShowCallRequest) -> dict[str, Any]:
        """Keep the call behind a question; `POST /v1/prompts/calls`."""
        return await self._apply(lambda db, now: behind.show_call(db, request, now))

    async def call_behind(self, prompt_id: str, sender: Principal) -> dict[str, Any]:
        """Read the call behind a question, as far as the sender may see it."""
        return await self._read(lambda db, _: behind.read_call(db, prompt_id, sender))

    async def prompts(self, query: PromptQuery, sender: Principal) -> dict[str, Any]:
        """Read a page of questions, as far as the sender may see them."""
        return await self._read(lambda db, now: list_prompts(db, query, sender, now))

    @asynccontextmanager
    async def watch_prompts(
        self, query: WatchQuery, last: Position | None, sender: Principal
    ) -> AsyncGenerator[AsyncGenerator[Frame]]:
        """Stream what waits and what becomes of it, for as long as the block lasts.

        Args:
            query: Which questions.
            last: How far the sender had read, where it comes again.
            sender: Who watches.

        Raises:
            ApiProblem: 403, it may not see them; 429 or 503, too many watch, or the authority is stopping.
            StoreError: The database failed.
        """
        stream = PromptStream(self._watch, self._database, self._now, visible(query, sender))
        async with self._watch.joined(sender.principal_id) as mark, aclosing(stream.frames(mark, last)) as frames:
            yield frames

    def stop_streams(self) -> None:
        """End every stream, so that the server can stop. On the loop of the server."""
        self._watch.stop()

    async def receipt(self, receipt_id: str) -> dict[str, Any]:
        """Read a receipt's envelope."""
        keys, base_url = self._receipt_keys, self._base_url
        return await self._database.read(lambda db: read_receipt(db, receipt_id, keys=keys, base_url=base_url))

    async def receipts(self, query: ReceiptQuery) -> dict[str, Any]:
        """Read a page of summaries of receipts."""
        return await self._database.read(lambda db: list_receipts(db, query))

    def public_keys(self, workspace_id: str) -> dict[str, Any]:
        """Return what the receipts of this authority's workspace are verified with.

        Raises:
            ApiProblem: 404, it is another workspace's name.
            StoreError: The keys cannot be read.
        """
        ring = None if self._receipt_keys is None else self._receipt_keys.ring()
        if ring is None or ring.workspace_id != workspace_id:
            raise not_found()
        return ring.document()

    async def is_ready(self) -> bool:
        """Tell whether the database answers."""
        return await self._database.read(records.latest_time) >= 0

    async def _check_on_record(self, run: CheckRun, remembered: Authorization | None) -> dict[str, Any]:
        """Decide on what is read in the same change that the decision becomes true with."""
        # A plain allow or deny opens nothing, so its record need not survive a loss of power.
        stateful = is_stateful(remembered, run.request.names)

        def change(db: Connection) -> tuple[dict[str, Any], Authorization | None]:
            at = replace(run, now_ms=self._clock.now_ms(0))
            if stateful:
                ask_ahead(db, at, remembered)
            authorization, latest_ms = records.find_authorization(db, run.request.authorization_id, lock=stateful)
            now_ms = self._clock.now_ms(latest_ms)
            if latest_ms > at.now_ms or now_ms - at.now_ms > AHEAD_MS:
                at = replace(run, now_ms=now_ms)
            return at.answer(db, authorization), authorization

        reply, found = await self._changed(change, durable=stateful)
        self._rules.remember(found)
        return reply

    async def _apply(self, change: Callable[[Connection, int], ResultT]) -> ResultT:
        return await self._changed(lambda db: change(db, self._now(db)))

    async def _changed(self, change: Callable[[Connection], ResultT], *, durable: bool = True) -> ResultT:
        result = await self._database.apply(change, durable=durable)
        if durable:
            self._watch.touch()
        self._remove_old_rows_if_due()
        return result

    def _remove_old_rows_if_due(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_sweep and self._sweep is None:
            self._sweep = loop.create_task(self._remove_old_rows())

    async def _remove_old_rows(self) -> None:
        more = False
        try:
            more = await self._database.apply(lambda db: remove_old_rows(db, self._now(db)), durable=False)
        except StoreError as error:
            _logger.warning("Old rows could not be removed: %s", error)
        finally:
            self._next_sweep = asyncio.get_running_loop().time() + (MORE_SWEEP_SECONDS if more else SWEEP_SECONDS)
            self._sweep = None

    async def _read(self, read: Callable[[Connection, int], ResultT]) -> ResultT:
        return await self._database.read(lambda db: read(db, self._now(db)))

    def _now(self, connection: Connection) -> int:
        return self._clock.now_ms(records.latest_time(connection))

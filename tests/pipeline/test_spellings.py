"""A resource that a rule refuses is refused however its address is written; what was decided on is what is recorded."""

from __future__ import annotations

import mcp
import pytest

from allowly_middleware.observability import AuditRecord
from allowly_middleware.pipeline import ANONYMOUS, CallFacts, Operation, Pipeline, Subject
from allowly_middleware.pipeline.approval import digest_of_call
from allowly_middleware.pipeline.evaluating import Evaluator
from allowly_middleware.policy import Policy, allow, confirm, deny, escalate

pytestmark = pytest.mark.anyio

HIDDEN = Policy(
    "test",
    [
        allow("*.*"),
        allow(resources="notes.note://*"),
        deny(resources="notes.note://files/passwd"),
        confirm(resources="notes.note://files/diary"),
        escalate(resources="notes.note://files/safe", to="security"),
    ],
)

SPELLINGS = [
    "note://files/{}",
    "note://files/{}?x",
    "note://files/{}#x",
    "note://files/{}?x=1#y",
    "note://files/{}\n",
    " note://files/{}",
    "NOTE://files/{}",
    "note://FILES/{}",
    "note://files//{}",
    "note://files/./{}",
    "note://files/x/../{}",
    "note://files/%2e/{}",
    "note://%66iles/{}",
    "note://files%2F{}",
]


def reads(target: str, method: str = "resources/read") -> CallFacts:
    operation = Operation.RESOURCE_READ if method == "resources/read" else Operation.OTHER
    return CallFacts(operation, "notes", target, None, {}, ANONYMOUS, method)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("name", "effect"), [("passwd", "deny"), ("diary", "ask"), ("safe", "ask")])
def test_an_address_is_refused_or_asked_about_however_it_is_written(spelling: str, name: str, effect: str) -> None:
    escaped = "".join(f"%{ord(character):02x}" for character in name)
    evaluator = Evaluator(HIDDEN)

    plain = evaluator.evaluate(reads(spelling.format(name)))
    hidden = evaluator.evaluate(reads(spelling.format(escaped)))

    # An address that no rule names as it is written is refused by the default, which is stricter still.
    for found in (plain, hidden):
        assert found.effect in {effect, "deny"}
        assert found.effect == "deny" or found.approver == ("security" if name == "safe" else None)


def test_a_subscription_is_decided_like_reading() -> None:
    found = Evaluator(HIDDEN).evaluate(reads("note://files/%70asswd", "resources/subscribe"))

    assert found.effect == "deny"


def test_an_address_that_a_rule_allows_as_it_is_written_stays_allowed() -> None:
    pages = Policy("pages", [allow(resources="notes.note://list?page=*"), allow(resources="notes.note://a%20b")])

    for target in ("note://list?page=2", "note://a%20b"):
        assert Evaluator(pages).evaluate(reads(target)).effect == "allow"


@pytest.mark.parametrize("written", ["file://secret", "file://%73ecret", "file://secret?x", "file://secret#x"])
async def test_no_server_hands_out_a_refused_resource_under_another_spelling(bench, written: str) -> None:
    policy = Policy("test", [allow("*.*"), allow(resources="github.*"), deny(resources="github.file://secret")])
    Pipeline(policy=policy).attach(bench.server)

    async with bench.client() as client:
        with pytest.raises(mcp.MCPError):
            await client.read(written)

    assert bench.runs == []


async def test_the_record_holds_what_ran_whatever_a_handler_does_to_its_arguments_afterwards(bench) -> None:
    records: list[AuditRecord] = []

    class Keeping:
        def record(self, record: AuditRecord) -> None:
            records.append(record)

    pipeline = Pipeline(policy=Policy("test", [allow("*.*")]), observers=[Keeping()], record_arguments=True)

    @pipeline.tool("github.*")
    async def rewrite(ctx, call_next):
        reply = await call_next()
        ctx.args["text"] = "nothing happened"
        ctx.args["lock"] = (one for one in "that cannot be copied")
        return reply

    pipeline.attach(bench.server)
    async with bench.client() as client:
        result = await client.call("create_issue", text="what ran")

    assert not result.is_error
    assert bench.runs == [("create_issue", {"text": "what ran"})]
    (record,) = [record for record in records if record.operation == "tool:call"]
    assert record.arguments == {"text": "what ran"}


def test_an_approval_for_somebody_who_has_proved_it_is_none_for_somebody_who_says_so() -> None:
    def digest(*, authenticated: bool) -> str:
        subject = Subject("ada", authenticated=authenticated)
        return digest_of_call(CallFacts(Operation.TOOL_CALL, "s", "t", {}, {}, subject, "tools/call"), "{}")

    assert digest(authenticated=True) != digest(authenticated=False)

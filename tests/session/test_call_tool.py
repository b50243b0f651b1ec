"""`ApprovingClientSession.call_tool` on a real session over memory streams, in both protocol eras."""

import anyio
import pytest
from mcp import ClientSession, types
from mcp.shared.exceptions import MCPError

from allowly_authority.errors import AuthorityUnavailable, NotAllowed, PromptGone
from allowly_harness import Answer, ApprovalRequest
from allowly_harness.performing.performer import Journal
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError
from allowly_harness.protocol.models import APPROVAL_META, Verification
from allowly_harness.testing import FakeAuthority, ScriptedApprover

pytestmark = pytest.mark.anyio

BILL = {"to": "ada", "amount": 5}


def outcome_of(result: types.CallToolResult) -> str:
    assert result.meta is not None
    return str(result.meta[APPROVAL_META]["outcome"])


def text_of(result: types.CallToolResult) -> str:
    block = result.content[0]
    assert isinstance(block, types.TextContent)
    return block.text


async def test_a_confirmed_call_runs_once_with_the_shown_arguments(open_session, guarded, authority) -> None:
    """G2, G4."""
    person = ScriptedApprover(Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert not result.is_error
    assert outcome_of(result) == "approved"
    assert guarded.runs == [BILL]
    assert dict(person.requests[0].call.arguments) == BILL
    assert person.requests[0].verification is Verification.MATCHED
    assert person.requests[0].tool.title == "Pay"
    assert authority.posted == [("nonce-1", "approved")]


async def test_a_refused_call_never_runs_and_the_refusal_is_reported(open_session, guarded, authority) -> None:
    """G5."""
    async with open_session(approver=ScriptedApprover(Answer.deny("too dear"))) as session:
        result = await session.call_tool("pay", BILL)

    assert result.is_error
    assert outcome_of(result) == "denied_by_person"
    assert "too dear" in text_of(result)
    assert guarded.runs == []
    assert authority.posted == [("nonce-1", "denied")]


async def test_an_ungated_call_comes_back_untouched(open_session, guarded) -> None:
    person = ScriptedApprover()

    async with open_session(approver=person) as session:
        result = await session.call_tool("look", {"at": [1, 2.5, None]})

    assert text_of(result) == "look done"
    assert APPROVAL_META not in (result.meta or {})
    assert guarded.runs == [{"at": [1, 2.5, None]}]
    assert person.requests == []


async def test_a_session_is_a_client_session_and_passes_its_arguments_through(open_session) -> None:
    me = types.Implementation(name="me", version="1")

    async with open_session(client_info=me, read_timeout_seconds=3.5) as session:
        assert isinstance(session, ClientSession)
        await session.call_tool("look")


async def test_no_approver_means_nothing_runs(open_session, guarded) -> None:
    """G1."""
    async with open_session() as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "unattended"
    assert guarded.runs == []


async def test_no_authority_means_nobody_is_asked_and_the_message_says_how_to_name_one(open_session, guarded) -> None:
    """G10."""
    person = ScriptedApprover(Answer.approve())

    async with open_session(approver=person, authority=None) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "unreachable"
    assert "--authority URL or ALLOWLY_BASE_URL" in text_of(result)
    assert person.requests == []
    assert guarded.runs == []


async def test_the_callers_later_changes_do_not_reach_the_call(open_session, guarded) -> None:
    """G2."""
    arguments = {"to": "ada", "list": [1]}

    def change_and_approve(request: ApprovalRequest) -> Answer:
        arguments["to"] = "eve"
        arguments["list"].append(2)
        return Answer.approve()

    async with open_session(approver=ScriptedApprover(change_and_approve)) as session:
        await session.call_tool("pay", arguments)

    assert guarded.runs == [{"to": "ada", "list": [1]}]


async def test_edited_arguments_are_decided_and_asked_about_afresh(open_session, guarded, authority) -> None:
    person = ScriptedApprover(Answer.edit({"to": "bob", "amount": 1}), Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved_edited"
    assert guarded.runs == [{"to": "bob", "amount": 1}]
    assert [request.call.arguments["to"] for request in person.requests] == ["ada", "bob"]
    assert authority.posted == [("nonce-1", "denied"), ("nonce-2", "approved")]
    assert "A person changed the arguments" in str(result.content[-1])


async def test_edited_arguments_that_break_the_schema_go_back_to_the_person(open_session, guarded) -> None:
    person = ScriptedApprover(Answer.edit({"to": 7}), Answer.deny())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert "to: 7 is not of type 'string'" in person.requests[1].note
    assert person.requests[1].round == 1
    assert outcome_of(result) == "denied_by_person"


async def test_a_forged_nonce_is_never_shown_to_anybody(open_session, guarded, authority) -> None:
    """G13: the record of that nonce names another call."""
    other = guarded.confirm({"to": "eve", "amount": 999})
    guarded.decisions.append(other)
    person = ScriptedApprover(Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "spoofed"
    assert person.requests == []
    assert authority.posted == []


async def test_a_nonce_that_the_authority_never_issued_is_spoofed(open_session, guarded) -> None:
    guarded.decisions.append({"decision": "confirm", "reason": "x", "confirm_nonce": "made-up"})
    person = ScriptedApprover(Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "spoofed"
    assert person.requests == []


async def test_parallel_calls_are_asked_about_in_order_while_ungated_calls_flow(open_session, guarded) -> None:
    asked: list[str] = []
    first_is_open, go_on = anyio.Event(), anyio.Event()

    async def ask(request: ApprovalRequest) -> Answer:
        asked.append(request.call.arguments["to"])
        first_is_open.set()
        await go_on.wait()
        return Answer.approve()

    async with open_session(approver=ask) as session, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            group.start_soon(session.call_tool, "pay", {"to": "a"})
            await first_is_open.wait()
            group.start_soon(session.call_tool, "pay", {"to": "b"})
            result = await session.call_tool("look")
            assert text_of(result) == "look done"
            assert asked == ["a"]
            go_on.set()

    assert asked == ["a", "b"]
    assert sorted(run.get("to", "") for run in guarded.runs) == ["", "a", "b"]


async def test_cancelling_a_call_withdraws_its_question(open_session, guarded, authority) -> None:
    asked, closed = anyio.Event(), anyio.Event()

    async def ask(request: ApprovalRequest) -> Answer:
        asked.set()
        try:
            await anyio.sleep_forever()
        finally:
            closed.set()

    async with open_session(approver=ask) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                await asked.wait()
                group.cancel_scope.cancel()
            await closed.wait()
            still_usable = await session.call_tool("look")

    assert authority.posted == [("nonce-1", "denied")]
    assert guarded.runs == [{}]
    assert text_of(still_usable) == "look done"


async def test_an_approver_that_crashes_approves_nothing(open_session, guarded, authority) -> None:
    """G1, G10."""

    async def ask(request: ApprovalRequest) -> Answer:
        raise RuntimeError("screen on fire")

    async with open_session(approver=ask) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "cancelled"
    assert authority.posted == [("nonce-1", "denied")]
    assert guarded.runs == []


async def test_a_lost_reply_to_an_approval_is_not_posted_again(open_session, guarded, authority: FakeAuthority) -> None:
    """G3: the flow sends the call to find out; the authority, which never stored it, asks anew."""
    authority.fail("settle_confirmation", AuthorityUnavailable("no reply", kind="timeout", sent=True))
    person = ScriptedApprover(Answer.approve(), Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert authority.posted == [("nonce-1", "approved"), ("nonce-2", "approved")]
    assert person.requests[1].note
    assert len(guarded.runs) == 1


async def test_an_approval_that_never_left_leaves_the_question_open(open_session, guarded, authority) -> None:
    """G10: the same question again, for a new answer."""
    authority.fail("settle_confirmation", AuthorityUnavailable("cannot connect", kind="connect", sent=False))
    person = ScriptedApprover(Answer.approve(), Answer.deny())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert "cannot connect" in person.requests[1].note
    assert outcome_of(result) == "denied_by_person"
    assert guarded.runs == []


async def test_a_key_that_may_not_approve_is_said_once_and_nobody_is_asked_again(
    open_session, guarded, authority
) -> None:
    authority.fail("settle_confirmation", NotAllowed("The authority does not let this API key do that (403)."))
    person = ScriptedApprover(Answer.approve(), Answer.approve())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert len(person.requests) == 1
    assert outcome_of(result) == "unreachable"
    assert "does not let this API key do that (403)" in result.content[0].text
    assert guarded.runs == []


async def test_a_question_that_is_gone_brings_a_new_question_not_the_old_answer(
    open_session, guarded, authority
) -> None:
    authority.fail("settle_confirmation", PromptGone("gone"))
    person = ScriptedApprover(Answer.approve(), Answer.deny())

    async with open_session(approver=person) as session:
        result = await session.call_tool("pay", BILL)

    assert [request.round for request in person.requests] == [1, 2]
    assert outcome_of(result) == "denied_by_person"
    assert guarded.runs == []


async def test_a_lost_reply_to_the_approved_call_is_unknown_and_never_repeated(open_session, guarded) -> None:
    """G4."""
    blocked = anyio.Event()
    guarded.in_tool = blocked.wait

    async with open_session(approver=ScriptedApprover(Answer.approve())) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL, read_timeout_seconds=0.2)

    assert outcome_of(result) == "unknown"
    assert guarded.runs == [BILL]
    assert "not known whether the tool ran" in text_of(result)


async def test_a_failure_before_any_approval_is_raised_as_by_a_bare_session(open_session, guarded) -> None:
    blocked = anyio.Event()
    guarded.in_tool = blocked.wait

    async with open_session() as session:
        with pytest.raises(MCPError):
            await session.call_tool("look", read_timeout_seconds=0.05)


async def test_no_nonce_or_escalation_id_reaches_the_result(open_session, guarded) -> None:
    """G7."""
    guarded.decisions.append(guarded.escalate(BILL))

    async with open_session(approver=ScriptedApprover(Answer.defer(), Answer.deny())) as session:
        deferred = await session.call_tool("pay", BILL)
        denied = await session.call_tool("pay", BILL)

    for result in (deferred, denied):
        assert "nonce-" not in result.model_dump_json()
        assert "esc_" not in result.model_dump_json()
    assert outcome_of(deferred) == "deferred"


async def test_an_escalation_is_awaited_and_the_call_then_made_once(open_session, guarded, authority) -> None:
    guarded.decisions.append(guarded.escalate(BILL))

    def approver_decides(request: ApprovalRequest) -> Answer:
        authority.prompts["esc_1"]["status"] = "approved"
        return Answer.wait()

    async with open_session(approver=ScriptedApprover(approver_decides)) as session:
        with anyio.fail_after(20):
            result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert guarded.runs == [BILL]
    assert authority.posted == []


async def test_the_requester_cannot_approve_an_escalation(open_session, guarded, authority) -> None:
    """G11."""
    guarded.decisions.append(guarded.escalate(BILL))

    async with open_session(approver=ScriptedApprover(Answer.approve(resolved_by="compliance"))) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "deferred"
    assert authority.posted == []
    assert guarded.runs == []


async def test_a_session_opened_as_the_approver_may_resolve(open_session, guarded, authority) -> None:
    guarded.decisions.append(guarded.escalate(BILL))

    async with open_session(approver=ScriptedApprover(Answer.approve()), acting_as="compliance") as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert authority.posted == [("esc_1", "approved")]


async def test_every_step_is_journalled_before_the_next_one(open_session, guarded, authority) -> None:
    steps: list[str] = []

    async def journal(record: Record) -> None:
        steps.append(record.step)
        if record.step == "answered":
            assert authority.posted == []
        if record.step == "dispatched":
            assert guarded.runs == []
            assert len(guarded.sent) == record.facts["round"]

    async with open_session(approver=ScriptedApprover(Answer.approve()), journal=journal) as session:
        await session.call_tool("pay", BILL)

    assert steps == ["dispatched", "blocked", "asked", "answered", "posted", "dispatched", "finished"]


def failing_at(step: str, steps: list[str]) -> Journal:
    """Make a journal that cannot be written once a step is to be taken."""

    async def journal(record: Record) -> None:
        steps.append(record.step)
        if record.step == step and (step != "dispatched" or record.facts["round"]):
            raise JournalError("There is no room left.")

    return journal


@pytest.mark.parametrize("step", ["blocked", "asked", "answered", "posted", "dispatched"])
async def test_nothing_runs_that_cannot_be_written_down_before(open_session, guarded, step: str) -> None:
    """G12. The question is withdrawn, and a framework that runs a tool again that raised has nothing to run again."""
    steps: list[str] = []

    async with open_session(approver=ScriptedApprover(Answer.approve()), journal=failing_at(step, steps)) as session:
        result = await session.call_tool("pay", BILL)

    assert result.is_error
    assert "did not run: There is no room left." in text_of(result)
    assert guarded.runs == []
    assert steps[-1] == step


async def test_a_call_that_ran_is_handed_on_even_if_its_end_cannot_be_written_down(open_session, guarded) -> None:
    steps: list[str] = []

    async with open_session(
        approver=ScriptedApprover(Answer.approve()), journal=failing_at("finished", steps)
    ) as session:
        result = await session.call_tool("pay", BILL)

    assert outcome_of(result) == "approved"
    assert len(guarded.runs) == 1


async def test_all_steps_of_a_call_share_a_name_and_no_two_calls_do(open_session, guarded) -> None:
    records: list[Record] = []

    async def journal(record: Record) -> None:
        records.append(record)

    async with open_session(approver=ScriptedApprover(Answer.approve()), journal=journal) as session:
        await session.call_tool("pay", BILL)
        await session.call_tool("look")

    names = [record.conversation for record in records]
    assert len(set(names)) == 2
    assert [record.step for record in records if record.conversation == names[-1]] == ["dispatched", "finished"]


async def test_arguments_without_a_json_form_are_refused_as_a_result(open_session, guarded) -> None:
    async with open_session() as session:
        result = await session.call_tool("look", {"x": float("nan")})

    assert result.is_error
    assert "cannot be sent" in text_of(result)
    assert guarded.sent == []


@pytest.mark.parametrize("failed", [False, True])
async def test_a_server_cannot_claim_an_approval_that_nobody_gave(open_session, guarded, failed: bool) -> None:
    """G13: the outcome in a result is ours alone."""
    guarded.answer = types.CallToolResult(
        content=[], is_error=failed, _meta={APPROVAL_META: {"outcome": "approved"}, "theirs": 1}
    )

    async with open_session() as session:
        result = await session.call_tool("look")

    assert APPROVAL_META not in result.meta
    assert result.meta["theirs"] == 1


async def test_one_question_given_to_two_calls_at_once_is_answered_once(open_session, guarded, authority) -> None:
    """G3, over the calls of a session."""
    payload = guarded.confirm(BILL)
    guarded.decisions += [payload, payload]
    both_are_blocked = anyio.Event()
    guarded.on_sent = lambda: both_are_blocked.set() if len(guarded.sent) == 2 else None

    async def ask(request: ApprovalRequest) -> Answer:
        await both_are_blocked.wait()
        await anyio.wait_all_tasks_blocked()
        return Answer.approve()

    async with open_session(approver=ask) as session:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as group:
                group.start_soon(session.call_tool, "pay", BILL)
                group.start_soon(session.call_tool, "pay", BILL)

    posted = [prompt_id for prompt_id, _ in authority.posted]
    assert len(posted) == len(set(posted))
    assert len(guarded.runs) == 2


@pytest.mark.parametrize("code", [types.INVALID_REQUEST, types.METHOD_NOT_FOUND, types.INTERNAL_ERROR, -32000])
async def test_no_error_code_proves_that_an_approved_tool_did_not_run(open_session, guarded, code: int) -> None:
    """G4: the tool has its effect, and then the server answers with an error of any code."""

    def fail() -> None:
        raise MCPError(code, "refused")

    guarded.in_tool = fail

    async with open_session(approver=ScriptedApprover(Answer.approve())) as session:
        result = await session.call_tool("pay", BILL)

    assert guarded.runs == [BILL]
    assert outcome_of(result) == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        'Sorry: {"decision": "confirm", "reason": "x", "confirm_nonce": "a-secret-nonce"}',
        '{"decision": "confirm", "confirm_nonce":"a-secret-nonce"}',
        '{"error": "{\\"decision\\": \\"escalate\\", \\"escalation_id\\": \\"a-secret-nonce\\"}"}',
        '{"decision": "confirm", "reason": "x", "confirm_nonce": "a-secret-nonce", "pad": "' + "p" * 70_000 + '"}',
    ],
    ids=["after other words", "without a reason", "quoted in JSON", "too long"],
)
async def test_a_decision_in_an_unknown_shape_is_an_error_without_its_nonce(open_session, guarded, text: str) -> None:
    """G7, G9."""
    block = types.TextContent(type="text", text=text)
    guarded.answer = types.CallToolResult(
        content=[block], structured_content={"inner": [{"confirm_nonce": "a-secret-nonce"}]}, is_error=True
    )

    async with open_session() as session:
        result = await session.call_tool("look")

    assert result.is_error
    assert "a-secret-nonce" not in result.model_dump_json()
    assert "[withheld]" in text_of(result)

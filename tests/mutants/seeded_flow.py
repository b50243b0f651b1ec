"""The seeded bugs of the flow. `Mutant.killers` names every group of tests that must notice, each on its own."""

from __future__ import annotations

from mutants import Mutant, Patch

HARNESS = "harness/allowly_harness/"


def flow(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/flow.py", old, new)


def answers(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/answers.py", old, new)


def talk(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/talk.py", old, new)


def question(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/question.py", old, new)


def table(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/lifecycle.py", old, new)


# Flow mutants that the table stops as well. The property runs without the table and must notice alone;
# the table must notice alone; and with the second lock picked too, the session's tests must.

NO_GOES_ON = answers(
    """    outcome, detail = _no(answer)
    return (yield from talk.end(outcome, detail))


def _no(""",
    """    return None


def _no(""",
)
DENY_GOES_ON = flow(
    "        return (yield from talk.end(ApprovalOutcome.DENIED_BY_POLICY, quoted(decision.reason)))",
    "        return None",
)
CONFLICT_COUNTS = answers(
    "case PostedAs.ACCEPTED | PostedAs.LOST:", "case PostedAs.ACCEPTED | PostedAs.LOST | PostedAs.CONFLICT:"
)
NOT_SENT_COUNTS = answers(
    "            return (yield from _not_delivered(talk, decision, request, posted.detail))", "            return None"
)
NOT_SENT_REPEATS = answers(
    "            return (yield from _not_delivered(talk, decision, request, posted.detail))",
    "            return (yield from _post_yes(talk, decision, request, answer))",
)
LOST_IS_SENT_AGAIN = flow(
    "        if isinstance(reply, NoReply):\n",
    "        if isinstance(reply, NoReply) and talk.approved:\n"
    "            reply = yield from Invoke(talk.call, retry=True)\n"
    "        if isinstance(reply, NoReply):\n",
)
REJECTION_COUNTS = answers(
    "        case Resolution.APPROVED:\n", "        case Resolution.APPROVED | Resolution.REJECTED:\n"
)
REJECTION_UNREACHED = answers(
    "        case Resolution.REJECTED:\n", "        case Resolution.REJECTED if talk.rounds < 0:\n"
)

LOCKED_TWICE = (
    Mutant("a refused call is sent all the same", "G5", (NO_GOES_ON,), ("property", "table", "steps", "session")),
    Mutant("a call that the policy denies is sent again", "G5", (DENY_GOES_ON,), ("property", "table", "steps")),
    Mutant("a yes that lost against a no counts", "G5", (CONFLICT_COUNTS,), ("property", "table", "steps")),
    Mutant("a yes that never left counts", "G10", (NOT_SENT_COUNTS,), ("property", "table", "steps", "session")),
    Mutant("a yes that never left is posted unasked", "G1 G3", (NOT_SENT_REPEATS,), ("property", "table", "steps")),
    Mutant(
        "a call whose reply was lost is sent again",
        "G4",
        (LOST_IS_SENT_AGAIN,),
        ("property", "table", "steps", "session"),
    ),
    Mutant(
        "an approver's rejection counts", "G5", (REJECTION_COUNTS, REJECTION_UNREACHED), ("property", "table", "steps")
    ),
)
BOTH_LOCKS_PICKED = (
    Mutant(
        "both: a refused call is sent all the same",
        "G5",
        (NO_GOES_ON, table("State.OVER: {},", 'State.OVER: {"invoke": State.SENT},')),
        ("property", "steps", "lifecycle", "session"),
    ),
    Mutant(
        "both: a call that the policy denies is sent again",
        "G5",
        (DENY_GOES_ON, table('State.ANSWERED: {"ask"', 'State.ANSWERED: {"invoke": State.SENT, "ask"')),
        ("property", "steps", "lifecycle"),
    ),
    Mutant(
        "both: a yes that never left counts",
        "G10",
        (NOT_SENT_COUNTS, table('State.ANSWERED: {"ask"', 'State.ANSWERED: {"invoke": State.SENT, "ask"')),
        ("property", "steps", "lifecycle", "session"),
    ),
    Mutant(
        "both: a yes that never left is posted unasked",
        "G1 G3",
        (NOT_SENT_REPEATS, table('"not_sent": State.ANSWERED}', '"not_sent": State.YES}')),
        ("property", "steps", "lifecycle", "session"),
    ),
    Mutant(
        "both: a call whose reply was lost is sent again",
        "G4",
        (LOST_IS_SENT_AGAIN, table('"no_result": State.OVER', '"no_result": State.OPENED')),
        ("property", "steps", "lifecycle", "session"),
    ),
    Mutant(
        "both: an approver's rejection counts",
        "G5",
        (REJECTION_COUNTS, REJECTION_UNREACHED, table('"unresolved": State.OVER', '"unresolved": State.OPENED')),
        ("property", "steps", "lifecycle"),
    ),
)

# Flow mutants that only the flow's own tests can notice: the table knows no ids and no arguments.

FLOW = (
    Mutant(
        "silence counts as a yes",
        "G1",
        (
            answers(
                "        case AnswerKind.APPROVE:\n            if request",
                "        case AnswerKind.APPROVE | AnswerKind.EXPIRED:\n"
                "            answer = replace(answer, kind=AnswerKind.APPROVE)\n            if request",
            ),
        ),
        ("property", "table", "steps"),
    ),
    Mutant(
        "an answered question is put again",
        "G3",
        (flow("if prompt_id in talk.answered:", "if not prompt_id:"),),
        ("property", "steps"),
    ),
    Mutant(
        "a refusal is not reported",
        "G5",
        (
            answers(
                "            return (yield from _post_no(talk, decision, answer))\n\n\ndef _escalation",
                "            return (yield from talk.end(*_no(answer)))\n\n\ndef _escalation",
            ),
        ),
        ("property", "steps", "session"),
    ),
    Mutant(
        "a record with other arguments will do",
        "G13",
        (question("== call.resource else None", "== call.resource else Verification.UNBOUND"),),
        ("property", "steps", "session"),
    ),
    Mutant(
        "a record of another scope will do",
        "G13",
        (question("Verification.UNBOUND if record.scope == call.tool else None", "Verification.UNBOUND"),),
        ("property", "steps"),
    ),
    Mutant(
        "a record of another kind will do",
        "G13",
        (
            question(
                "    if record.kind != (",
                "    if not record.kind and (",
            ),
        ),
        ("property", "steps"),
    ),
    Mutant(
        "a used question is put",
        "G13",
        (question('if record.status != "pending":', "if not record.status:"),),
        ("property", "steps"),
    ),
    Mutant(
        "a question nobody issued is put",
        "G13",
        (question('return ApprovalOutcome.SPOOFED, "the authority never issued this question"', "return None"),),
        ("property", "steps", "session"),
    ),
    Mutant(
        "a question is put though the authority is down",
        "G10",
        (question("case LookupFailure.UNSUPPORTED:", "case LookupFailure.UNSUPPORTED | LookupFailure.UNREACHABLE:"),),
        ("property", "steps"),
    ),
    Mutant(
        "an edit sends the old arguments",
        "G2",
        (answers("talk.call, talk.approved = call, False", "talk.approved = False"),),
        ("property", "steps", "session"),
    ),
    Mutant(
        "any approver resolves anything",
        "G11",
        (question("bool(acting_as) and acting_as == target", "bool(acting_as)"),),
        ("property", "steps"),
    ),
    Mutant(
        "the server says who may approve",
        "G11",
        (
            question(
                "record.scope, record.expires_at, record.escalation_to",
                'record.scope, record.expires_at, getattr(decision, "escalation_to", None)',
            ),
        ),
        ("property", "steps"),
    ),
    Mutant(
        "a requester's yes resolves",
        "G11",
        (answers("case AnswerKind.APPROVE if request.may_resolve:", "case AnswerKind.APPROVE:"),),
        ("property", "steps", "session"),
    ),
    Mutant(
        "a resolution in a name that the answer chose",
        "G11",
        (answers("            answer = replace(answer, resolved_by=talk.acting_as)\n", ""),),
        ("property", "steps"),
    ),
    Mutant(
        "questions without end",
        "G6",
        (flow("if talk.rounds >= talk.max_rounds:", "if talk.rounds < 0:"),),
        ("property", "steps"),
    ),
    Mutant(
        "deliveries without end",
        "G6",
        (answers("if talk.attempts >= talk.max_rounds:", "if talk.attempts < 0:"),),
        ("property", "steps"),
    ),
    Mutant(
        "an unbound approval stays open for minutes",
        "G13",
        (answers("if request.verification is not Verification.MATCHED:", "if not request.verification:"),),
        ("property", "steps"),
    ),
    Mutant("ids are written down", "G7", (talk('text = text.replace(prompt_id, "…")', "pass"),), ("property",)),
    Mutant(
        "an unknown outcome is called unreachable",
        "G4",
        (flow("talk.end(ApprovalOutcome.UNKNOWN,", "talk.end(ApprovalOutcome.UNREACHABLE,"),),
        ("property", "steps", "session"),
    ),
)

MUTANTS = (*LOCKED_TWICE, *BOTH_LOCKS_PICKED, *FLOW)

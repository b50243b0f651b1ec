"""The seeded bugs of what happens while a question is open, and of what servers ask for themselves."""

from __future__ import annotations

from mutants import Mutant, Patch

HARNESS = "harness/allowly_harness/"


def flow(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/flow.py", old, new)


def answers(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/answers.py", old, new)


def question(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/question.py", old, new)


def table(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/lifecycle.py", old, new)


def asking(old: str, new: str) -> Patch:
    return Patch(HARNESS + "performing/asking.py", old, new)


def inputs(old: str, new: str) -> Patch:
    return Patch(HARNESS + "session/inputs.py", old, new)


def legs(old: str, new: str) -> Patch:
    return Patch(HARNESS + "session/legs.py", old, new)


def desk(old: str, new: str) -> Patch:
    return Patch(HARNESS + "approvers/base.py", old, new)


REJECTED_COUNTS = answers('        case "approved":\n', '        case "approved" | "rejected":\n')
SENT_TWICE = (
    answers("    Decided,\n    PostedAs,", "    Decided,\n    Invoke,\n    PostedAs,"),
    answers(
        'given elsewhere, did not let the call through; this is a new question."\n            return None',
        'given elsewhere, did not let the call through; this is a new question."\n'
        "            yield from Invoke(talk.call, retry=True)\n            return None",
    ),
)
POSTED_TOO = answers(
    'given elsewhere, did not let the call through; this is a new question."\n            return None',
    'given elsewhere, did not let the call through; this is a new question."\n'
    "            yield from Settle(prompt_id, Answer.approve())\n            return None",
)
EDIT_UNASKED = answers(
    "answer = yield from Ask(request)", "answer = Answer.approve() if talk.edited else (yield from Ask(request))"
)

ELSEWHERE = (
    Mutant(
        "a rejection elsewhere counts",
        "G5",
        (REJECTED_COUNTS,),
        ("property", "table", "steps", "elsewhere"),
    ),
    Mutant(
        "both: a rejection elsewhere counts",
        "G5",
        (REJECTED_COUNTS, table('"yes_elsewhere" if said == "approved" else "closed_elsewhere"', '"yes_elsewhere"')),
        ("property", "steps", "lifecycle", "elsewhere"),
    ),
    Mutant(
        "a call approved elsewhere is sent twice",
        "G4",
        SENT_TWICE,
        ("property", "table", "steps", "elsewhere"),
    ),
    Mutant(
        "both: a call approved elsewhere is sent twice",
        "G4",
        (*SENT_TWICE, table('State.ANSWERED: {"ask"', 'State.ANSWERED: {"invoke": State.SENT, "ask"')),
        ("property", "steps", "lifecycle", "elsewhere"),
    ),
    Mutant("a yes elsewhere is posted once more", "G3", (POSTED_TOO,), ("property", "table", "steps", "elsewhere")),
    Mutant(
        "a no loses against a yes elsewhere",
        "G5",
        (asking("said is not None and said.kind is not AnswerKind.APPROVE", "said is not None and False"),),
        ("elsewhere",),
    ),
    Mutant(
        "whatever is on record counts as a yes",
        "G5",
        (
            Patch(
                HARNESS + "performing/watching.py",
                "AnsweredElsewhere(found.status,",
                'AnsweredElsewhere("approved" if found.status else found.status,',
            ),
        ),
        ("elsewhere",),
    ),
    Mutant(
        "a record that cannot be read ends the question",
        "G10",
        (
            Patch(
                HARNESS + "performing/watching.py",
                "type(error).__name__)\n            continue",
                'type(error).__name__)\n            return AnsweredElsewhere("cancelled")',
            ),
        ),
        ("elsewhere",),
    ),
    Mutant(
        "a withdrawn question closes without a word",
        "G10",
        (asking('                self.desk.closing(self.request, Closure("withdrawn"))\n', ""),),
        ("elsewhere",),
    ),
)

BEFORE_ANYTHING = question(
    'case "approved" if record.kind == "escalate" and verification is Verification.MATCHED:',
    'case "approved" if record.kind == "escalate":',
)
APPROVED_BEFORE = table("approved and sent is not None and found.resource == sent.resource else", "approved else")

BEFORE = (
    Mutant(
        "what was approved for any arguments opens a call",
        "G13",
        (BEFORE_ANYTHING,),
        ("property", "table", "steps"),
    ),
    Mutant(
        "both: what was approved for any arguments opens a call",
        "G13",
        (BEFORE_ANYTHING, APPROVED_BEFORE),
        ("property", "steps", "lifecycle"),
    ),
    Mutant(
        "what was rejected before it was put is asked about",
        "G5",
        (question('case "rejected" | "consumed" | "cancelled":', 'case "consumed" | "cancelled":'),),
        ("steps", "elsewhere"),
    ),
    Mutant(
        "an approval that was used before opens a call",
        "G4",
        (
            question(
                "return AnsweredElsewhere(record.status, record.resolved_by",
                "return AnsweredElsewhere("
                'record.status if record.status != "consumed" else "approved", record.resolved_by',
            ),
        ),
        ("property", "table", "steps"),
    ),
    Mutant(
        "an approval whose time is over opens a call",
        "G13",
        (
            Patch(
                HARNESS + "performing/performer.py",
                '"expired" if found.status == "approved" and not left else found.status',
                "found.status",
            ),
        ),
        ("elsewhere",),
    ),
    Mutant(
        "an approval before the question is taken for ever",
        "G4 G6",
        (answers("    talk.answered.add(prompt_id)\n    who = ", "    who = "),),
        ("steps",),
    ),
)

EDITS = (
    Mutant("an edited call is not asked about", "G1 G2", (EDIT_UNASKED,), ("property", "table", "steps", "facts")),
    Mutant(
        "edits without end",
        "G6",
        (asking("for _ in range(MAX_UNUSABLE_EDITS):", "for _ in range(MAX_UNUSABLE_EDITS + 1):"),),
        ("facts",),
    ),
    Mutant(
        "what nobody may report is reported",
        "G1",
        (answers("AnswerKind.DEFER | AnswerKind.WAIT | AnswerKind.UNHEARD:", "AnswerKind.DEFER | AnswerKind.WAIT:"),),
        ("steps", "facts"),
    ),
)

INPUTS = (
    Mutant(
        "a cancelled form is accepted",
        "G1",
        (inputs('if reply.action != "accept":', 'if reply.action == "decline":'),),
        ("inputs",),
    ),
    Mutant(
        "a form that failed is accepted",
        "G1",
        (
            inputs(
                "        said = ElicitationReply.cancel()", '        said = ElicitationReply.accept({"account": "x"})'
            ),
        ),
        ("inputs",),
    ),
    Mutant(
        "values that do not fit are sent",
        "G10",
        (
            inputs(
                "    if problem is not None:\n        return problem, None",
                "    if problem is None is not None:\n        return problem, None",
            ),
        ),
        ("inputs",),
    ),
    Mutant("any page will do", "G8", (inputs("        _check_url(params.url)\n", ""),), ("inputs",)),
    Mutant(
        "a blocked leg is repeated without its responses",
        "G2",
        (legs('"input_responses": self.responses,', '"input_responses": self.__class__ and None,'),),
        ("legs",),
    ),
    Mutant(
        "an edited call goes on with the old state",
        "G2",
        (Patch(HARNESS + "session/conversing.py", "if call is not self._sent:", "if call is None:"),),
        ("legs",),
    ),
    Mutant(
        "a caller goes on with the legs of an edited call",
        "G2",
        (Patch(HARNESS + "session/conversing.py", "self.options if call is self.call else {})", "self.options)"),),
        ("legs",),
    ),
    Mutant(
        "legs without end", "G6", (legs("if self._taken >= MAX_LEGS:", "if self._taken >= MAX_LEGS + 1:"),), ("legs",)
    ),
)

DESK = (
    Mutant(
        "questions wait without end",
        "G6",
        (
            desk(
                "        if self.waiting >= MAX_WAITING_QUESTIONS:\n            return Answer.unattended()",
                "        if self.waiting > MAX_WAITING_QUESTIONS:\n            return Answer.unattended()",
            ),
        ),
        ("desk",),
    ),
    Mutant(
        "everybody is given many questions at a time",
        "G1",
        (desk('bool(getattr(self.approver, "handles_many", False))', "self.approver is not None"),),
        ("desk",),
    ),
)

MUTANTS = (*ELSEWHERE, *BEFORE, *EDITS, *INPUTS, *DESK)

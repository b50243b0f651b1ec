"""The seeded bugs of the approver's inbox. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import GROUPS, Mutant, Patch

GROUPS["approver's journal"] = ["tests/inbox/test_written.py"]

INBOX = "harness/allowly_harness/inbox/"


def patch(name: str, old: str, new: str) -> Patch:
    return Patch(f"{INBOX}{name}.py", old, new)


MUTANTS = (
    Mutant(
        "the approver is shown a call that the authority was not asked about",
        "G13",
        (patch("question", "if call.resource != resource:", "if False:"),),
        ("approver's inbox",),
    ),
    Mutant(
        "a call that nobody sees is approved without a word",
        "G1",
        (patch("question", "if tool_call is not None else NOT_SHOWN", 'if tool_call is not None else ""'),),
        ("approver's inbox",),
    ),
    Mutant(
        "an answer meets another record than the one shown",
        "G2",
        (patch("answering", "if not question.is_about(found):", "if False:"),),
        ("approver's inbox",),
    ),
    Mutant(
        "putting a question off rejects it",
        "G1",
        (
            patch(
                "answering",
                "if answer.kind not in (AnswerKind.APPROVE, AnswerKind.DENY):",
                "if answer.kind is AnswerKind.CANCEL:",
            ),
        ),
        ("approver's inbox",),
    ),
    Mutant(
        "a question is answered twice",
        "G3",
        (patch("answering", "if said is not None and (said", "if False and (said"),),
        ("approver's inbox",),
    ),
    Mutant(
        "whoever came second is told to have decided",
        "G3",
        (
            patch(
                "answering",
                "if reply.resolved_by is not None and not self.holder.is_me(reply.resolved_by, question.item):",
                "if False:",
            ),
        ),
        ("approver's inbox",),
    ),
    Mutant(
        "an answer is sent after the end",
        "G1",
        (patch("answering", "if question.request.expires_at <= self.clock.now():", "if False:"),),
        ("approver's inbox",),
    ),
    Mutant(
        "an operator decides what is addressed to somebody else",
        "G1",
        (patch("holder", "return item.escalation_to in self.names", "return True"),),
        ("approver's inbox",),
    ),
    Mutant(
        "a question that has ended comes back",
        "G3",
        (patch("listing", "if item.prompt_id in self._ended:", "if False:"),),
        ("approver's list",),
    ),
    Mutant(
        "a card goes on asking what somebody else has answered",
        "G3",
        (Patch("harness/allowly_harness/tui/inbox/app.py", "self._card.close_elsewhere(closure_of(item))", "pass"),),
        ("approver's screen",),
    ),
    Mutant(
        "an answer is posted that is not written down",
        "G12",
        (
            patch(
                "answering",
                "await self._unless_written(question, answer) or await self._unless_still_open(question)",
                "await self._unless_still_open(question)",
            ),
        ),
        ("approver's journal",),
    ),
    Mutant(
        "a question is put that is not written down",
        "G12",
        (patch("inbox", 'raise QuestionRefused(f"{error} Nobody is asked.") from None', "del error"),),
        ("approver's journal",),
    ),
    Mutant(
        "an answer that may be on record is said not to be",
        "G12",
        (
            Patch(
                "harness/allowly_harness/journal/verdicts.py",
                "Fate.UNKNOWN if lost or given else Fate.NOT_HERE",
                "Fate.NOT_HERE",
            ),
        ),
        ("approver's journal",),
    ),
    Mutant(
        "the approver's journal names the question",
        "G7",
        (patch("written", '"user": request.user_id,', '"user": request.user_id, "id": "esc_1",'),),
        ("approver's journal",),
    ),
)

"""The seeded bugs of the questions on the full screen. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import GROUPS, Mutant, Patch

TUI = "harness/allowly_harness/tui/"

GROUPS |= {
    "gesture": ["tests/tui/test_gesture.py"],
    "keymap": ["tests/tui/test_keymap.py"],
    "seen": ["tests/tui/test_coverage.py"],
    "notice": ["tests/tui/test_notify.py"],
    "queue": ["tests/approvers/test_pending.py"],
    "marked": ["tests/tui/test_pending_screen.py", "-k", "nothing_else or number_counts or drops_out"],
    "drafts": ["tests/tui/test_questions.py", "-k", "draft"],
    "card": ["tests/tui/test_question_keys.py", "-k", "held_off"],
}


def gesture(old: str, new: str) -> Patch:
    return Patch(TUI + "asking/gesture.py", old, new)


def word(old: str, new: str) -> Patch:
    return Patch(TUI + "asking/typedword.py", old, new)


GESTURES = (
    Mutant(
        "a and y at once approve",
        "G1",
        (gesture("ARM_SECONDS <= since <= DISARM_SECONDS", "since <= DISARM_SECONDS"),),
        ("gesture",),
    ),
    Mutant(
        "a yes never lapses",
        "G1",
        (gesture("ARM_SECONDS <= since <= DISARM_SECONDS", "ARM_SECONDS <= since"),),
        ("gesture",),
    ),
    Mutant(
        "any key is the second one",
        "G1",
        (gesture('confirmed = key == self._keymap.key("approve-confirm")', "confirmed = bool(key)"),),
        ("gesture",),
    ),
    Mutant(
        "keys typed before the paint count",
        "G1",
        (gesture("return self._live_from is not None and at >= self._live_from", "return at >= 0"),),
        ("gesture",),
    ),
    Mutant(
        "a folded call need not be read",
        "G1",
        (gesture("if self._needs_view:\n", "if not self._word and self._word:\n"),),
        ("gesture",),
    ),
    Mutant(
        "a card need not be on the screen",
        "G1",
        (gesture("return Meaning.NEEDS_SCROLL if self._unseen else None", "return None"),),
        ("gesture",),
    ),
    Mutant(
        "a question that has ended is approved",
        "G1",
        (
            gesture("if self.expired:\n            return _EXPIRED", "if self.closed:\n            return _EXPIRED"),
            gesture("SECONDS and not self.expired:", "SECONDS:"),
        ),
        ("gesture",),
    ),
    Mutant(
        "a question that is closed elsewhere is answered",
        "G3",
        (
            gesture(
                "if self.closed:\n            return Meaning.CLOSE", "if not key:\n            return Meaning.CLOSE"
            ),
        ),
        ("gesture",),
    ),
    Mutant(
        "whoever raised an escalation approves it",
        "G11",
        (gesture('may_approve=request.kind == "confirm" or request.may_resolve', "may_approve=True"),),
        ("gesture",),
    ),
    Mutant(
        "the begin of the word is enough",
        "G1",
        (word("self.text == self._word", "self._word.startswith(self.text)"),),
        ("gesture",),
    ),
    Mutant(
        "a word in one burst is typed",
        "G1",
        (word("self._gap = at, SHORTEST_GAP_SECONDS", "self._gap = at, 0.0"),),
        ("gesture",),
    ),
    Mutant(
        "a dangerous call wants no word",
        "G1",
        (gesture("idle=DISARM_SECONDS) if self._word else None", "idle=DISARM_SECONDS) if not self._word else None"),),
        ("gesture",),
    ),
    Mutant(
        "enter may be the key of a yes",
        "G1",
        (Patch(TUI + "keymap.py", "if approve in NEVER_APPROVE:", "if approve in ():"),),
        ("keymap",),
    ),
)

SCREENS = (
    Mutant(
        "a jump to the end is reading",
        "G1",
        (
            Patch(
                TUI + "asking/coverage.py",
                "self._count > 0 and self.missing == 0",
                "self._ranges[-1:] != [] and self._ranges[-1][1] == self._count",
            ),
        ),
        ("seen", "marked"),
    ),
    Mutant(
        "a server's name ends the sequence of a notice",
        "G8",
        (
            Patch(
                TUI + "asking/notify.py",
                '_UNUSUAL.sub("?", server[:MAX_NAME_CHARACTERS])',
                "server[:MAX_NAME_CHARACTERS]",
            ),
        ),
        ("notice",),
    ),
    Mutant(
        "a withdrawn question takes an answer",
        "G3",
        (
            Patch(
                "harness/allowly_harness/approvers/pending.py",
                "if item.answer.done() or item.closure is not None:",
                "if item.answer.done():",
            ),
        ),
        ("queue",),
    ),
    Mutant(
        "marked calls are approved by any number",
        "G1",
        (
            Patch(
                TUI + "asking/marked.py",
                "self._typed = TypedWord(str(len(self._questions)), at,",
                "self._typed = TypedWord(character or key, at,",
            ),
        ),
        ("marked",),
    ),
    Mutant(
        "what ended meanwhile is approved with the others",
        "G3",
        (Patch(TUI + "asking/marked.py", "if is_open(item) and not item.deadline.passed)", "if item.number)"),),
        ("marked",),
    ),
    Mutant(
        "a question opens over a draft",
        "G1",
        (Patch(TUI + "asking/questions.py", "if typing or self._drafts.unsent:", "if typing:"),),
        ("drafts",),
    ),
    Mutant(
        "a page on top lends its time to the question",
        "G1",
        (
            Patch(
                TUI + "asking/approval.py",
                "elif self.keys.painted:\n            self.hold_off()",
                "elif not self.keys.painted:\n            self.hold_off()",
            ),
        ),
        ("card",),
    ),
)

MUTANTS = (*GESTURES, *SCREENS)

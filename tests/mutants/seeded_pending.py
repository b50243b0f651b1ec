"""The seeded bugs of calls that wait, and of waiting. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

HARNESS = "harness/allowly_harness/"


def patch(name: str, old: str, new: str) -> Patch:
    return Patch(f"{HARNESS}{name}.py", old, new)


MUTANTS = (
    Mutant(
        "who lost the lease of a call sends it",
        "G4",
        (
            patch(
                "journal/pending_steps",
                '"WHERE token = :token AND owner = :owner AND lease = :lease"',
                '"WHERE token = :token"',
            ),
        ),
        ("pending", "resuming"),
    ),
    Mutant(
        "a call is taken while its program sends it",
        "G4",
        (
            patch(
                "journal/pending",
                "running and (lease_until_ms > self.now_ms() or state is PendingState.SENDING)",
                "running and lease_until_ms > self.now_ms()",
            ),
        ),
        ("pending",),
    ),
    Mutant(
        "a call that was cut off while it was sent is sent again",
        "G4",
        (
            patch(
                "journal/pending",
                "            state = PendingState.UNKNOWN\n        # What",
                "            state = PendingState.DEFERRED\n        # What",
            ),
        ),
        ("pending",),
    ),
    Mutant(
        "a call is moved before its step is written down",
        "G12",
        (
            patch(
                "journal/journal",
                "follow(connection, record, keeping)\n            self._append(record)",
                "follow(connection, record, keeping)\n        with self._changing():\n            self._append(record)",
            ),
        ),
        ("pending",),
    ),
    Mutant(
        "a call that was changed in the file is sent",
        "G2",
        (patch("journal/pending", "if call.digest != digest:", "if False:"),),
        ("pending",),
    ),
    Mutant(
        "the call behind an unverified question is handed in",
        "G13",
        (
            patch(
                "performing/showing",
                ' or request.kind != "escalate" or request.verification is not Verification.MATCHED',
                ' or request.kind != "escalate"',
            ),
        ),
        ("waiting",),
    ),
    Mutant(
        "who takes a call back while its approver is read is not heard",
        "G5",
        (
            patch(
                "performing/awaiting",
                "resolution = (self._said if approved else None) or decided",
                "resolution = decided",
            ),
        ),
        ("waiting",),
    ),
    Mutant(
        "who is cancelled leaves a call behind that is still being written down",
        "G12",
        (patch("journal/writing", "while not writing.is_over():", "while False:"),),
        ("resuming",),
    ),
)

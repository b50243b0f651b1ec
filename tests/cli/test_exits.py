"""Exit codes: every outcome has one, and what nobody chose is kept apart from a no."""

from allowly_harness.cli.exits import OUTCOME_CODES, ExitCode
from allowly_harness.protocol.models import ApprovalOutcome


def test_every_outcome_has_an_exit_code() -> None:
    assert set(OUTCOME_CODES) == {outcome.value for outcome in ApprovalOutcome}


def test_only_a_call_that_ran_ends_with_0() -> None:
    done = {outcome for outcome, code in OUTCOME_CODES.items() if code is ExitCode.DONE}

    assert done == {"allowed", "approved", "approved_edited"}


def test_the_codes_are_those_that_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "TOOL_FAILED": 1,
        "USAGE": 2,
        "DENIED_BY_POLICY": 3,
        "DENIED_BY_PERSON": 4,
        "NOBODY_THERE": 5,
        "EXPIRED": 6,
        "AUTHORITY_UNREACHABLE": 7,
        "SERVER_UNREACHABLE": 8,
        "UNKNOWN_OUTCOME": 9,
        "INTERRUPTED": 130,
    }

"""Rows of one tool are told apart by what differs."""

from allowly_harness.approvers.differences import MAX_CHARACTERS, telling_arguments
from allowly_harness.protocol.models import ToolCall


def call(tool: str = "send", **arguments) -> ToolCall:
    return ToolCall("mail", tool, arguments)


def told(*calls: ToolCall) -> list[str]:
    return [shown.text for shown in telling_arguments(calls)]


def test_what_differs_between_calls_of_one_tool_comes_first():
    rows = told(call(amount=1, zone="a"), call(amount=1, zone="b"), call("delete", id=7))

    assert rows == ['zone="a" amount=1', 'zone="b" amount=1', "id=7"]


def test_an_argument_that_only_one_call_has_differs():
    assert told(call(a=1, b=2), call(a=1)) == ["b=2 a=1", "a=1"]


def test_long_values_are_left_out_and_many_arguments_are_counted():
    [row] = told(call(body="x" * 500, **{f"name_{index}": "y" * 20 for index in range(20)}))

    assert row.startswith("body=... name_0=")
    assert row.endswith(f" +{21 - row.count('=')}")
    assert len(row) <= MAX_CHARACTERS + 10


def test_secrets_stay_masked_and_hostile_text_stays_inert():
    [row] = told(call(password="hunter2", to="\x1b[2J\u202e"))

    assert "hunter2" not in row
    assert "\x1b" not in row


def test_a_call_without_arguments_says_so():
    assert told(call()) == ["(no arguments)"]

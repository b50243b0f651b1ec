"""`read_decision`: the documented shapes and nothing else, whatever a tool writes (G9)."""

import json
from datetime import UTC, datetime, timedelta
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.protocol.effects import ToolReply
from allowly_harness.protocol.wire import (
    ASSUMED_CONFIRM_LIFE,
    CONFIRM_LIFE,
    ESCALATION_LIFE,
    MAX_DECISION_CHARACTERS,
    MAX_ID_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    Confirm,
    Decision,
    Deny,
    Escalate,
    read_decision,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOON = NOW + timedelta(minutes=2)
CHARSET = set(ascii_letters + digits + "_.~:-")

DENY = {"decision": "deny", "reason": "scope_not_authorized"}
CONFIRM = {
    "decision": "confirm",
    "reason": "scope_requires_user_confirmation",
    "confirm_nonce": "cnf_1",
    "confirm_prompt_hint": "payments.send",
}
CONFIRM_UNTIL = {**CONFIRM, "confirm_expires_at": "2026-01-02T03:06:05Z"}
ESCALATE = {
    "decision": "escalate",
    "reason": "escalation_required",
    "escalation_id": "esc_1",
    "escalation_to": "compliance",
    "escalation_expires_at": None,
}
READ_DENY = Deny("scope_not_authorized")
READ_CONFIRM = Confirm("cnf_1", CONFIRM["reason"], "payments.send", NOW + ASSUMED_CONFIRM_LIFE)
READ_CONFIRM_UNTIL = Confirm("cnf_1", CONFIRM["reason"], "payments.send", SOON)
READ_ESCALATE = Escalate("esc_1", "escalation_required", "compliance", NOW + ESCALATION_LIFE)
MALFORMED = Deny("malformed_decision")


def read(*texts: str, structured: Any = None, is_error: bool = True, accept_bare: bool = False) -> Decision | None:
    reply = ToolReply(object(), is_error, texts, structured, NOW)
    return read_decision(reply, "pay", accept_bare=accept_bare)


SHAPES = {
    "a deny": (DENY, READ_DENY),
    "a confirm without an expiry": (CONFIRM, READ_CONFIRM),
    "a confirm with an expiry": (CONFIRM_UNTIL, READ_CONFIRM_UNTIL),
    "an escalation with no expiry": (ESCALATE, READ_ESCALATE),
    "an escalation with an expiry": (
        {**ESCALATE, "escalation_expires_at": "2026-01-02T05:06:05+02:00"},
        Escalate("esc_1", "escalation_required", "compliance", SOON),
    ),
    "an escalation to nobody in particular": (
        {**ESCALATE, "escalation_to": None},
        Escalate("esc_1", "escalation_required", None, NOW + ESCALATION_LIFE),
    ),
    "a deny that is an outage": (
        {"decision": "deny", "reason": "fallback_closed_timeout"},
        Deny("fallback_closed_timeout", unavailable=True),
    ),
    "a deny with keys nobody knows yet": ({**DENY, "receipt_id": "r", "more": [1]}, READ_DENY),
}
PLACES = {
    "as the text": lambda payload: {"texts": [json.dumps(payload)]},
    "as indented text": lambda payload: {"texts": ["\n" + json.dumps(payload, indent=2) + " \n"]},
    "behind the official prefix": lambda payload: {"texts": [f"Error executing tool pay: {json.dumps(payload)}"]},
    "behind the fastmcp prefix": lambda payload: {"texts": [f"Error calling tool 'pay': {json.dumps(payload)}"]},
    "in the second text": lambda payload: {"texts": ["It was blocked.", json.dumps(payload)]},
    "as structured content": lambda payload: {"texts": [], "structured": payload},
    "as structured content under result": lambda payload: {"texts": ["no"], "structured": {"result": payload}},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_documented_payload_is_read_in_every_documented_place(shape: str, place: str) -> None:
    payload, expected = SHAPES[shape]
    put = PLACES[place](payload)

    assert read(*put["texts"], structured=put.get("structured")) == expected


@pytest.mark.parametrize(
    "reason",
    [
        "authorization_not_found",
        "scope_not_authorized",
        "rate_limit_exceeded",
        "budget_exceeded",
        "escalation_rejected",
        "check_input_unavailable",
        "check_input_invalid",
        "check_action_invalid",
        "agent_token_unavailable",
        "agent_token_not_found",
        "missing_result",
        "operation_id_not_found",
    ],
)
def test_a_bare_reason_is_a_deny(reason: str) -> None:
    assert read(reason) == Deny(reason)
    assert read(f" {reason}\n") == Deny(reason)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("timeout", id="one word without an underscore"),
        pytest.param("Timeout_reached", id="a capital"),
        pytest.param("a_" + "b" * 63, id="too long"),
        pytest.param("Invalid or revoked API key", id="the text of an exception"),
        pytest.param("Error executing tool pay", id="a masked error of the official server"),
        pytest.param("Error calling tool 'pay'", id="a masked error of fastmcp"),
        pytest.param("Error executing tool pay: scope_not_authorized", id="a reason behind a prefix"),
        pytest.param("Error executing tool other: " + json.dumps(DENY), id="the prefix of another tool"),
        pytest.param("Blocked: " + json.dumps(CONFIRM), id="JSON after other words"),
        pytest.param(json.dumps(CONFIRM) + " so there", id="JSON before other words"),
        pytest.param(json.dumps([CONFIRM]), id="a list of decisions"),
        pytest.param(json.dumps(json.dumps(CONFIRM)), id="JSON in JSON"),
        pytest.param(json.dumps({"result": CONFIRM}), id="one level down in a text"),
        pytest.param(json.dumps({"state": "not_allowed"}), id="the result of a local execution"),
        pytest.param(json.dumps({"decision": "allow", "reason": "authorization_granted"}), id="allow"),
        pytest.param(json.dumps({**CONFIRM, "decision": "Confirm"}), id="another case"),
        pytest.param(json.dumps({**CONFIRM, "decision": ["confirm"]}), id="a list as the decision"),
        pytest.param(json.dumps({**CONFIRM, "reason": None}), id="no reason"),
        pytest.param('{"decision": "deny", "reason": NaN}', id="NaN as the reason"),
        pytest.param('{"decision": "deny", "reason": "x_y", "n": Infinity}', id="infinity beside a decision"),
        pytest.param('{"decision": "deny", "reason": "x_y", "n": ' + "9" * 5000 + "}", id="a number of 5000 digits"),
        pytest.param('{"decision":' * 5000, id="nested as deep as it goes"),
        pytest.param('{"error": 1, "error": 2}', id="names twice in an error that is no decision"),
    ],
)
def test_any_other_error_text_is_an_ordinary_error(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("accept_bare", [False, True])
def test_allow_means_nothing_anywhere(accept_bare: bool) -> None:
    payload = {"decision": "allow", "reason": "authorization_granted_via_confirmation"}

    for is_error in (False, True):
        assert read(json.dumps(payload), structured=payload, is_error=is_error, accept_bare=accept_bare) is None


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
        pytest.param(7, id="a number"),
        pytest.param(["cnf_1"], id="a list"),
        pytest.param(".", id="a dot"),
        pytest.param("..", id="two dots"),
        pytest.param("../escalations/x/resolve", id="a path"),
        pytest.param("cnf_1?x=1", id="a query"),
        pytest.param("cnf 1", id="a space"),
        pytest.param("cnf_1\n", id="a line end"),
        pytest.param("cnf_%31", id="a percent"),
        pytest.param("cnf_é", id="a letter beyond ASCII"),
        pytest.param("cnf_\u0661", id="a digit beyond ASCII"),
        pytest.param("x" * (MAX_ID_CHARACTERS + 1), id="too long"),
    ],
)
@pytest.mark.parametrize(("payload", "name"), [(CONFIRM, "confirm_nonce"), (ESCALATE, "escalation_id")])
def test_a_decision_without_a_usable_id_is_a_malformed_deny(payload: dict[str, Any], name: str, bad: Any) -> None:
    without = {key: value for key, value in payload.items() if key != name}

    assert read(json.dumps({**payload, name: bad})) == MALFORMED
    assert read(structured={**payload, name: bad}) == MALFORMED
    assert read(json.dumps(without)) == MALFORMED


def test_the_longest_id_is_usable() -> None:
    decision = read(json.dumps({**CONFIRM, "confirm_nonce": "x" * MAX_ID_CHARACTERS}))

    assert isinstance(decision, Confirm)
    assert len(decision.nonce) == MAX_ID_CHARACTERS


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(json.dumps(CONFIRM)[:-1] + ', "confirm_nonce": "other"}', id="two nonces"),
        pytest.param('{"decision": "allow", ' + json.dumps(CONFIRM)[1:], id="two decisions"),
        pytest.param(json.dumps(DENY)[:-1] + ', "extra": {"a": 1, "a": 2}}', id="twice further down"),
    ],
)
def test_a_decision_that_names_something_twice_is_a_malformed_deny(text: str) -> None:
    """Two readers would see two decisions."""
    assert read(text) == MALFORMED
    assert read(f"Error executing tool pay: {text}") == MALFORMED


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        pytest.param("2026-01-02T03:06:05Z", SOON, id="in UTC"),
        pytest.param("2026-01-02T04:06:05+01:00", SOON, id="with an offset"),
        pytest.param("2027-01-02T03:04:05Z", NOW + CONFIRM_LIFE, id="longer than a confirmation lives"),
        pytest.param("2026-01-02T03:06:05", NOW + ASSUMED_CONFIRM_LIFE, id="without an offset"),
        pytest.param("soon", NOW + ASSUMED_CONFIRM_LIFE, id="words"),
        pytest.param(1767323165, NOW + ASSUMED_CONFIRM_LIFE, id="a number"),
        pytest.param("0001-01-01T00:00:00+23:59", NOW + ASSUMED_CONFIRM_LIFE, id="before time began"),
        pytest.param("9999-12-31T23:59:59-23:59", NOW + ASSUMED_CONFIRM_LIFE, id="after time ended"),
        pytest.param("2" * 100, NOW + ASSUMED_CONFIRM_LIFE, id="a long text"),
    ],
)
def test_an_expiry_is_read_or_assumed_and_never_later_than_the_contract_allows(sent: Any, expected: datetime) -> None:
    """G6."""
    decision = read(json.dumps({**CONFIRM, "confirm_expires_at": sent}))

    assert isinstance(decision, Confirm)
    assert decision.expires_at == expected


def test_an_escalation_never_lives_longer_than_a_day() -> None:
    """G6."""
    decision = read(json.dumps({**ESCALATE, "escalation_expires_at": "2030-01-01T00:00:00Z"}))

    assert isinstance(decision, Escalate)
    assert decision.expires_at == NOW + ESCALATION_LIFE


def test_long_texts_are_cut_and_texts_beyond_the_limit_are_not_read() -> None:
    """G6."""
    long = read(json.dumps({**CONFIRM, "confirm_prompt_hint": "h" * 9000, "reason": "r" * 9000}))
    huge = read(json.dumps({**CONFIRM, "confirm_prompt_hint": "h" * MAX_DECISION_CHARACTERS}))

    assert isinstance(long, Confirm)
    assert long.prompt_hint == "h" * MAX_TEXT_CHARACTERS
    assert long.reason == "r" * MAX_TEXT_CHARACTERS
    assert huge is None


def test_no_decision_shows_its_id_when_printed() -> None:
    """G7."""
    assert "cnf_1" not in repr(read(json.dumps(CONFIRM)))
    assert "esc_1" not in repr(read(json.dumps(ESCALATE)))


@pytest.mark.parametrize(
    ("payload", "expected"), [(DENY, READ_DENY), (CONFIRM, READ_CONFIRM), (ESCALATE, READ_ESCALATE)]
)
def test_a_bare_dict_is_a_decision_only_where_it_was_agreed_on(payload: dict[str, Any], expected: Decision) -> None:
    text = json.dumps(payload, indent=2)

    assert read(text, structured=payload, is_error=False) is None
    assert read(text, structured=payload, is_error=False, accept_bare=True) == expected
    assert read(text, is_error=False, accept_bare=True) == expected


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param({**DENY, "amount": 5}, id="a key more"),
        pytest.param({"decision": "deny"}, id="a key less"),
        pytest.param({"result": DENY}, id="one level down"),
        pytest.param({"decision": 10**5000, "reason": "x"}, id="a number too long to print"),
        pytest.param([DENY], id="a list"),
    ],
)
def test_a_bare_dict_of_another_shape_is_an_ordinary_result(payload: Any) -> None:
    assert read(structured=payload, is_error=False, accept_bare=True) is None


def test_a_bare_dict_beside_another_text_is_an_ordinary_result() -> None:
    assert read("Here you are:", json.dumps(DENY), is_error=False, accept_bare=True) is None


KEYS = ["decision", "reason", "confirm_nonce", "confirm_prompt_hint", "confirm_expires_at", "escalation_id"]
WORDS = st.sampled_from(["deny", "confirm", "escalate", "allow", "x_y", "..", "2026-01-01T00:00:00Z", "result"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*KEYS, "result"]) | st.text(max_size=3), inner)
    ),
    max_leaves=12,
)
SHAPED = st.fixed_dictionaries(
    {"decision": st.sampled_from(["deny", "confirm", "escalate"]), "reason": st.text(max_size=5)},
    optional={name: ANY | st.text() for name in KEYS[2:]},
)
TEXTS = st.lists(
    st.text()
    | ANY.map(json.dumps)
    | SHAPED.map(json.dumps)
    | SHAPED.map(lambda payload: f"Error calling tool 'pay': {json.dumps(payload)}")
    | st.tuples(st.integers(0, 3000), st.sampled_from(['{"a":', '{"decision":[', "{"])).map(
        lambda pair: pair[1] * pair[0]
    ),
    max_size=3,
)


@given(
    texts=TEXTS, structured=ANY | SHAPED | SHAPED.map(lambda payload: {"result": payload}), accept_bare=st.booleans()
)
def test_reading_never_fails_and_every_id_is_fit_for_a_url(
    texts: list[str], structured: Any, accept_bare: bool
) -> None:
    for is_error in (True, False):
        decision = read(*texts, structured=structured, is_error=is_error, accept_bare=accept_bare)

        assert decision is None or isinstance(decision, Deny | Confirm | Escalate)
        if not is_error and not accept_bare:
            assert decision is None, "a successful result is never a decision"
        if isinstance(decision, Confirm):
            check_id(decision.nonce)
            assert decision.expires_at <= NOW + CONFIRM_LIFE
        if isinstance(decision, Escalate):
            check_id(decision.escalation_id)
            assert decision.expires_at <= NOW + ESCALATION_LIFE


def check_id(value: str) -> None:
    assert 1 <= len(value) <= MAX_ID_CHARACTERS
    assert set(value) <= CHARSET
    assert value not in {".", ".."}


def test_content_nested_deeper_than_any_reader_can_go_is_read_or_left_alone() -> None:
    value: Any = "deep"
    for _ in range(3000):
        value = {"decision": value, "reason": "x", "result": value}

    for accept_bare in (False, True):
        for is_error in (False, True):
            assert read(structured=value, is_error=is_error, accept_bare=accept_bare) is None

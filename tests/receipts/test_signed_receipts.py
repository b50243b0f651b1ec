"""Whatever this authority signs, the public verifier accepts; whatever the verifier would refuse is never signed."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import allowly_receipt_format as public
import pytest
from allowly.client import _parse_receipt_envelope
from allowly.verify import decode_receipt, load_keys_from_json, verify_receipt
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority.receipts import KeyRing, ReceiptClaims, ReceiptError, is_signable, sign
from allowly_authority.receipts.claims import EVENT_DECISIONS
from allowly_authority.receipts.jws import MAX_PAYLOAD_BYTES

CASES = settings(max_examples=60, deadline=None)
NOW = 1_800_000_000_000
LATER = datetime.fromtimestamp(NOW / 1000, UTC) + timedelta(days=2)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = texts.filter(bool)
integers = st.integers(-(2**53) + 1, 2**53 - 1)
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | integers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
editions = st.fixed_dictionaries(
    {
        "policy_id": names,
        "policy_version": st.integers(1, 2**53 - 1),
        "definition_sha256": digests,
    }
)
verdicts = st.sampled_from([("allow", None), ("deny", None), ("confirm", "agent_owner"), ("escalate", "member:ada")])


@st.composite
def evaluations(draw) -> dict[str, Any]:
    decision, target = draw(verdicts)
    rule = draw(st.none() | names)
    fields = {} if rule is None else draw(st.dictionaries(names, integers, max_size=2))
    result = {"profile": "allowly.basic.v1", "status": "ok", "decision": decision, "target": target}
    result |= {"matched_rule_id": rule, "evaluated_fields": fields}
    return {"input_sha256": draw(digests), "result": result}


@st.composite
def any_claims(draw) -> ReceiptClaims:
    known = draw(st.booleans())
    common = {
        "receipt_id": draw(names),
        "issued_ms": draw(st.integers(NOW, NOW + 86_400_000)),
        "reason": draw(texts),
        "user_id": draw(texts),
        "agent_id": draw(texts),
        "engine_version": f"sha256:{draw(digests)}",
        "context": draw(documents),
    }
    if draw(st.booleans()):
        event, decisions = draw(st.sampled_from(sorted(EVENT_DECISIONS.items())))
        resource = None if event.startswith("authorization.") else draw(st.none() | texts)
        about = {"event": event, "decision": draw(st.sampled_from(sorted(decisions))), "resource": resource}
        return ReceiptClaims(**common, **about, authorization_id=draw(texts), policy_ref=draw(editions))
    about = {"action": draw(names), "decision": draw(st.sampled_from(["allow", "deny", "confirm", "escalate"]))}
    about |= {"resource": draw(st.none() | texts)}
    if not known:
        return ReceiptClaims(**common, **about)
    about |= {"authorization_id": draw(texts), "policy_ref": draw(editions)}
    return ReceiptClaims(**common, **about, policy_eval=draw(st.none() | evaluations()))


def verified(ring: KeyRing, receipt: Any) -> dict[str, Any]:
    pinned = {key.fingerprint for key in ring.keys}
    keys = load_keys_from_json(json.loads(json.dumps(ring.document())))
    return verify_receipt(receipt, keys, expected_workspace_id="ws_1", trusted_key_fingerprints=pinned, now=LATER)


@CASES
@given(claims=any_claims())
def test_every_receipt_that_is_signed_verifies_and_says_what_was_claimed(ring, claims):
    receipt = ring.sign(claims)

    assert verified(ring, receipt) == claims.payload("ws_1")
    assert public.decode_receipt(receipt) == decode_receipt(receipt) == claims.payload("ws_1")


@CASES
@given(claims=any_claims())
def test_the_signed_bytes_are_those_of_the_public_package(ring, claims):
    receipt = ring.sign(claims)

    key = ring.key_at(claims.issued_ms)
    signature = base64.urlsafe_b64decode(receipt["signature"] + "==")
    assert receipt == public.jws_receipt(claims.payload("ws_1"), key.key_id, signature)


@CASES
@given(claims=any_claims(), data=st.data())
def test_a_receipt_with_any_character_changed_does_not_verify(ring, claims, data):
    receipt = ring.sign(claims)
    member = data.draw(st.sampled_from(sorted(receipt)))
    text = receipt[member]
    place = data.draw(st.integers(0, len(text) - 1))
    put = data.draw(st.characters(codec="ascii").filter(lambda character: character != text[place]))

    changed = receipt | {member: text[:place] + put + text[place + 1 :]}

    with pytest.raises(public.VerificationError):
        verified(ring, changed)


@CASES
@given(claims=any_claims(), data=st.data())
def test_a_receipt_that_says_something_else_in_canonical_form_does_not_verify(ring, claims, data):
    receipt = ring.sign(claims)
    payload = claims.payload("ws_1")
    member = data.draw(st.sampled_from(["receipt_id", "reason", "user_id", "agent_id"]))
    payload[member] += data.draw(names)
    body = base64.urlsafe_b64encode(public.canonicalize(payload)).rstrip(b"=").decode()

    with pytest.raises(public.SignatureMismatchError):
        verified(ring, receipt | {"payload": body})


def test_signing_again_gives_the_same_receipt(ring, claims):
    assert ring.sign(claims()) == ring.sign(claims())


def test_the_envelope_has_three_members_and_one_form_of_header(ring, claims):
    receipt = ring.sign(claims())

    header = json.loads(base64.urlsafe_b64decode(receipt["protected"] + "=="))
    assert set(receipt) == {"protected", "payload", "signature"}
    assert header == {"alg": "EdDSA", "kid": ring.current.key_id, "typ": "allowly-receipt+jws"}
    assert not any("=" in part for part in receipt.values())


def test_the_client_of_the_sdk_reads_a_signed_receipt(ring, claims, evaluation):
    receipt = ring.sign(claims(decision="escalate", policy_eval=evaluation))

    read = _parse_receipt_envelope({"status": "signed", "receipt": receipt})

    assert (read.status, read.receipt) == ("signed", receipt)


def test_names_are_sorted_by_utf_16_and_control_characters_are_never_shortened(ring, claims):
    context = {"\uff61": 1, "\U0001f600": "a\n\x7f/", "é": 2}

    receipt = ring.sign(claims(context=context))

    body = base64.urlsafe_b64decode(receipt["payload"] + "==").decode()
    assert '"context":{"é":2,"\U0001f600":"a\\u000a\x7f/","\uff61":1}' in body
    assert verified(ring, receipt)["context"] == context


def nested(depth: int) -> dict[str, Any]:
    """Return a context whose innermost value is `depth` levels below the receipt."""
    value: Any = 1
    for _ in range(depth - 2):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"a": 2**53 - 1, "b": -(2**53) + 1}, id="integers"),
        pytest.param(nested(32), id="depth"),
        pytest.param({"a": [0] * 49_900}, id="nodes"),
    ],
)
def test_content_at_the_limits_is_signed_and_verifies(ring, claims, context):
    assert verified(ring, ring.sign(claims(context=context)))["context"] == context


@pytest.mark.parametrize(
    "context",
    [
        pytest.param({"a": 0.5}, id="fraction"),
        pytest.param({"a": float("nan")}, id="not a number"),
        pytest.param({"a": 2**53}, id="integer too large"),
        pytest.param({"a": -(2**53)}, id="integer too small"),
        pytest.param({"a": "\ud800"}, id="half a surrogate pair"),
        pytest.param({"\udfff": 1}, id="half a surrogate pair in a name"),
        pytest.param({1: "a"}, id="name that is no string"),
        pytest.param({"a": b"bytes"}, id="bytes"),
        pytest.param({"a": {1, 2}}, id="set"),
        pytest.param(nested(33), id="too deep"),
        pytest.param(nested(5000), id="far too deep"),
        pytest.param({"a": [0] * 50_000}, id="too many values"),
        pytest.param({"a": "x" * MAX_PAYLOAD_BYTES}, id="too long"),
        pytest.param([], id="no object"),
    ],
)
def test_a_context_without_a_canonical_form_is_never_signed(ring, claims, context):
    with pytest.raises(ReceiptError):
        ring.sign(claims(context=context))


def test_the_error_does_not_hold_what_was_refused(ring, claims):
    with pytest.raises(ReceiptError) as refused:
        ring.sign(claims(context={"a": "secret\ud800"}))

    assert "secret" not in str(refused.value)
    assert refused.value.__context__ is None


WRONG: dict[str, dict[str, Any]] = {
    "no id": {"receipt_id": ""},
    "id that is no string": {"receipt_id": 5},
    "no action and no event": {"action": None},
    "action and event": {"event": "escalation.resolve", "decision": "escalation_approved"},
    "unknown decision": {"decision": "maybe"},
    "decision of an event": {"decision": "escalation_approved"},
    "unknown event": {"action": None, "event": "receipt.checkpoint", "decision": "receipt_set_committed"},
    "decision of another event": {"action": None, "event": "budget.settle", "decision": "authorization_granted"},
    "event of no authorization": {
        "action": None,
        "event": "budget.settle",
        "decision": "budget_settled",
        "authorization_id": None,
        "policy_ref": None,
    },
    "creation with a resource": {
        "action": None,
        "event": "authorization.create",
        "decision": "authorization_granted",
        "resource": "x",
    },
    "authorization without an edition": {"policy_ref": None},
    "edition without an authorization": {"authorization_id": None},
    "user that is null": {"user_id": None},
    "reason that is null": {"reason": None},
    "resource that is a number": {"resource": 5},
    "version that is a date": {"engine_version": "2026-11-22"},
    "version in capitals": {"engine_version": f"sha256:{'AB' * 32}"},
    "digest alone": {"engine_version": "ab" * 32},
    "digest and a line": {"engine_version": f"sha256:{'ab' * 32}\n"},
    "time before 1970": {"issued_ms": -1},
    "time after 9999": {"issued_ms": 253_402_300_800_000},
    "time that is a fraction": {"issued_ms": 1.5},
    "time that is a truth": {"issued_ms": True},
    "edition with more": {
        "policy_ref": {"policy_id": "m", "policy_version": 1, "definition_sha256": "ab" * 32, "x": 1}
    },
    "edition without its id": {"policy_ref": {"policy_id": "", "policy_version": 1, "definition_sha256": "ab" * 32}},
    "edition 0": {"policy_ref": {"policy_id": "m", "policy_version": 0, "definition_sha256": "ab" * 32}},
    "edition that is a truth": {
        "policy_ref": {"policy_id": "m", "policy_version": True, "definition_sha256": "ab" * 32}
    },
    "edition of no digest": {"policy_ref": {"policy_id": "m", "policy_version": 1, "definition_sha256": "ab"}},
    "edition that is a text": {"policy_ref": "mail"},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_claims_that_a_verifier_would_refuse_are_never_signed(ring, claims, changes):
    with pytest.raises(ReceiptError):
        ring.sign(claims(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"profile": "allowly.basic.v2"},
        {"status": "error"},
        {"decision": "maybe"},
        {"decision": "allow"},
        {"decision": "confirm"},
        {"target": "member:"},
        {"target": f"member:{'x' * 250}"},
        {"matched_rule_id": ""},
        {"matched_rule_id": "x" * 129},
        {"matched_rule_id": None},
        {"evaluated_fields": {"": 1}},
        {"evaluated_fields": []},
        {"more": 1},
    ],
    ids=str,
)
def test_an_evaluation_that_a_verifier_would_refuse_is_never_signed(ring, claims, evaluation, changes):
    wrong = evaluation | {"result": evaluation["result"] | changes}
    members = claims(decision="escalate").payload("ws_1") | {"policy_eval": wrong}

    with pytest.raises(ReceiptError):
        ring.sign(claims(decision="escalate", policy_eval=wrong))
    with pytest.raises(public.VerificationError):
        verified(ring, sign(members, ring.current))


def test_events_have_no_evaluation(ring, claims, evaluation):
    resolved = {"action": None, "event": "escalation.resolve", "decision": "escalation_approved"}

    with pytest.raises(ReceiptError):
        ring.sign(claims(**resolved, policy_eval=evaluation))


def test_only_decisions_of_an_edition_or_of_no_authorization_can_be_signed(edition):
    assert is_signable("auth_1", edition)
    assert is_signable(None, None)
    assert not is_signable("auth_1", None)
    assert not is_signable(None, edition)


def test_a_denial_of_an_unknown_authorization_is_signed_in_nobodys_name(ring, claims):
    unknown = claims(decision="deny", authorization_id=None, policy_ref=None, user_id="", agent_id="")

    assert verified(ring, ring.sign(unknown))["user_id"] == ""

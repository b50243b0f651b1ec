"""Keys follow each other in time; each receipt is signed by the key of its moment."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import allowly_receipt_format as public
import pytest
from allowly.verify import load_keys_from_json, verify_receipt
from hypothesis import given, settings
from hypothesis import strategies as st

from allowly_authority.receipts import KeyRing, NoSigningKey, ReceiptError, ReceiptKey
from allowly_authority.receipts.keys import ROTATION_LEAD_MS

NOW = 1_800_000_000_000
DAY = 86_400_000


def verified(ring: KeyRing, receipt) -> dict:
    later = datetime.fromtimestamp(NOW / 1000 + 20 * 86_400, UTC)
    return verify_receipt(
        receipt, load_keys_from_json(ring.document()), expected_workspace_id=ring.workspace_id, now=later
    )


def test_the_document_says_each_keys_time_and_fingerprint_and_nothing_private(ring):
    rotated = ring.rotated(NOW + DAY)

    document = rotated.document()

    first, second = document["keys"]
    assert document["workspace_id"] == "ws_1"
    assert set(first) == {"key_id", "alg", "public_key", "active_from", "active_until", "public_key_fingerprint"}
    assert (first["alg"], first["active_from"]) == ("Ed25519", "2027-01-15T08:00:00.000Z")
    assert first["active_until"] == second["active_from"] == "2027-01-16T08:01:00.000Z"
    assert second["active_until"] is None
    assert first["public_key_fingerprint"] == rotated.keys[0].fingerprint
    private = rotated.current.private
    assert private is not None
    assert private.private_bytes_raw().hex() not in json.dumps(document)
    assert "private" not in repr(rotated)


@settings(max_examples=25, deadline=None)
@given(gaps=st.lists(st.integers(ROTATION_LEAD_MS + 1, DAY), max_size=5), data=st.data())
def test_every_moment_since_the_first_key_has_exactly_one_key_and_its_receipts_verify(claims, gaps, data):
    ring, moment = KeyRing.new("ws_1", NOW), NOW
    for gap in gaps:
        moment += gap
        ring = ring.rotated(moment)
    edges = [edge for key in ring.keys for edge in (key.active_from_ms - 1, key.active_from_ms)]
    issued = data.draw(st.sampled_from(edges[1:]) | st.integers(NOW, moment + DAY))

    receipt = ring.sign(claims(issued_ms=issued))

    assert verified(ring, receipt)["issued_at"] is not None
    assert sum(key.covers(issued) for key in ring.keys) == 1


def test_a_retired_key_still_signs_what_was_decided_in_its_time(ring, claims):
    before = ring.sign(claims(issued_ms=NOW + 5))

    rotated = ring.rotated(NOW + DAY)

    assert rotated.sign(claims(issued_ms=NOW + 5)) == before
    assert rotated.key_at(NOW + DAY) == rotated.keys[0]
    assert rotated.key_at(NOW + DAY + ROTATION_LEAD_MS) == rotated.keys[1]


def test_a_key_that_was_given_away_ends_at_once_and_signs_nothing_more(ring, claims):
    signed = ring.sign(claims(issued_ms=NOW + 5))

    rotated = ring.rotated(NOW + DAY, compromised=True)

    with pytest.raises(NoSigningKey):
        rotated.sign(claims(issued_ms=NOW + 6))
    assert verified(rotated, signed)["receipt_id"] == "rcp_1"
    assert verified(rotated, rotated.sign(claims(issued_ms=NOW + DAY)))["receipt_id"] == "rcp_1"


def test_keys_that_were_given_away_during_a_rotation_end_at_once_with_the_one_that_had_not_begun(ring, claims):
    first, second = (rotating := ring.rotated(NOW + DAY)).keys

    rotated = rotating.rotated(NOW + DAY + 1, compromised=True)

    assert [key.private is None for key in rotated.keys] == [True, False]
    assert second.public not in {key.public for key in rotated.keys}
    assert rotated.keys[0].active_until_ms == rotated.keys[1].active_from_ms == NOW + DAY + 1
    assert rotated.keys[0].public == first.public
    assert verified(rotated, ring.sign(claims(issued_ms=NOW + DAY)))["receipt_id"] == "rcp_1"
    with pytest.raises(public.UnknownKeyError):
        verified(rotated, rotating.sign(claims(issued_ms=second.active_from_ms)))


def test_keys_that_were_given_away_are_all_destroyed_also_the_retired_ones(ring):
    rotated = ring.rotated(NOW + DAY).rotated(NOW + 2 * DAY, compromised=True)

    assert [key.private is None for key in rotated.keys] == [True, True, False]


def test_a_key_that_has_just_been_made_cannot_be_replaced_in_the_same_millisecond(ring):
    for compromised in (False, True):
        with pytest.raises(ReceiptError):
            ring.rotated(NOW, compromised=compromised)


def test_a_receipt_under_the_wrong_keys_time_does_not_verify(ring, claims):
    rotated = ring.rotated(NOW + DAY)
    stale = ring.sign(claims(issued_ms=NOW + 2 * DAY))

    with pytest.raises(public.KeyOutsideActiveWindowError):
        verified(rotated, stale)


def test_a_receipt_of_another_workspace_does_not_verify(ring, claims):
    other = replace(ring, workspace_id="ws_2")

    with pytest.raises(public.SchemaError):
        verified(ring, other.sign(claims()))


def test_what_was_decided_before_the_first_key_is_not_signed(ring, claims):
    with pytest.raises(NoSigningKey):
        ring.sign(claims(issued_ms=NOW - 1))


def test_a_second_rotation_waits_until_the_first_has_taken_place(ring):
    rotated = ring.rotated(NOW + DAY)

    with pytest.raises(ReceiptError):
        rotated.rotated(NOW + DAY + ROTATION_LEAD_MS)
    assert len(rotated.rotated(NOW + DAY + ROTATION_LEAD_MS + 1).keys) == 3


def test_keys_have_names_of_their_own_and_are_random():
    keys = [ReceiptKey.generate(NOW) for _ in range(50)]

    assert len({key.key_id for key in keys}) == 50
    assert all(len(key.key_id) == 35 and key.key_id.startswith("rk_") for key in keys)


def test_rings_that_would_leave_a_moment_without_its_one_key_are_refused(ring):
    first, second = ring.rotated(NOW + DAY).keys
    wrong = [
        (),
        (first,),
        (replace(first, active_until_ms=NOW + 1), second),
        (second, second),
        (first, replace(second, private=None)),
        (second, first),
    ]

    for keys in wrong:
        with pytest.raises(ValueError, match="key"):
            KeyRing("ws_1", keys)
    with pytest.raises(ValueError, match="workspace"):
        KeyRing("", ring.keys)


def test_keys_of_impossible_halves_or_times_are_refused(ring):
    private = ring.current.private

    with pytest.raises(ValueError, match="32 bytes"):
        ReceiptKey(b"short", NOW)
    with pytest.raises(ValueError, match="belong together"):
        ReceiptKey(b"\0" * 32, NOW, private=private)
    for begins, ends in [(NOW, NOW), (NOW, NOW - 1), (-1, None), (253_402_300_800_000, None), (0, 10**18)]:
        with pytest.raises(ValueError, match="time"):
            ReceiptKey(b"\0" * 32, begins, ends)

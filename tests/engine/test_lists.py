"""Pages, cursors and keys on the wire."""

from __future__ import annotations

import json
from typing import Any

import pytest
from decision_cases import NOW, prompt
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from allowly_authority.store.inbox import Listed
from allowly_authority.wire.keys import KeyCreateRequest, key_item
from allowly_authority.wire.paging import After, PromptQuery, ReceiptQuery, page, single_valued
from allowly_authority.wire.prompts import prompt_item


def test_a_query_is_read_from_the_address() -> None:
    query = PromptQuery.model_validate({"status": "pending", "for": "compliance", "limit": "20"})

    assert (query.addressee, query.limit, query.after()) == ("compliance", 20, None)


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1_0"},
        {"limit": "٢"},
        {"limit": "+5"},
        {"limit": "5.0"},
        {"status": "open"},
        {"for": ""},
        {"for": "a\nb"},
        {"fro": "compliance"},
        {"cursor": "x" * 1025},
        {"cursor": "!"},
        {"authorization_id": "../x"},
    ],
)
def test_a_query_that_is_not_understood_is_refused(parameters) -> None:
    with pytest.raises(ValidationError):
        PromptQuery.model_validate(parameters)


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        single_valued([("for", "ada"), ("for", "bob")])
    assert single_valued([("for", "ada")]) == {"for": "ada"}


def test_pages_follow_each_other_without_gap_or_repetition() -> None:
    items = [(at // 3, f"esc_{at}") for at in range(20)]
    query, seen = PromptQuery(limit=7), []
    while True:
        after = query.after()
        rest = [item for item in items if after is None or item > (after.at_ms, after.identifier)]
        last = After(*rest[6]) if len(rest) > 7 else None
        told = page([{"id": name} for _, name in rest[:7]], query, last)
        seen += [item["id"] for item in told["items"]]
        if not told["has_more"]:
            break
        query = PromptQuery(limit=7, cursor=told["next_cursor"])

    assert seen == [name for _, name in items]


@settings(max_examples=100, deadline=None)
@given(cursor=st.text("ABCZabcz0189-_", min_size=1, max_size=40))
def test_an_invented_cursor_is_an_error_of_the_request(cursor) -> None:
    with pytest.raises(ValueError, match="cursor"):
        PromptQuery(cursor=cursor).after()


def test_a_cursor_belongs_to_one_query() -> None:
    cursor = After(NOW, "esc_1").cursor(PromptQuery(addressee="ada"))

    assert PromptQuery(addressee="ada", limit=3, cursor=cursor).after() == After(NOW, "esc_1")
    for other in (PromptQuery(addressee="bob", cursor=cursor), ReceiptQuery(cursor=cursor)):
        with pytest.raises(ValueError, match="cursor"):
            other.after()


@pytest.mark.parametrize("kind", ["confirm", "escalate"])
def test_a_list_of_questions_holds_no_nonces(kind) -> None:
    """G7."""
    item = prompt_item(Listed(prompt(kind, "pending", None, NOW), "usr_7", "mail-bot"), NOW + 10)

    assert item["status"] == "expired"
    assert not any("nonce" in name or "salt" in name for name in item)
    assert json.dumps(item)


def test_a_key_is_asked_for_somebody_with_a_role() -> None:
    body = {"principal_id": "ada", "roles": ["approver"], "addresses": ["compliance"]}

    principal = KeyCreateRequest.model_validate(body).principal()

    assert principal.is_addressed_by("compliance")
    item = key_item(
        "key_1", principal, created_ms=NOW, created_by="root", expires_ms=None, revoked_ms=None, revoked_by=None
    )
    assert item["roles"] == ["approver"]
    assert item["created_by"] == "root"
    assert "key" not in item


@pytest.mark.parametrize(
    "change",
    [
        {"roles": []},
        {"roles": ["workspace"]},
        {"roles": ["gate", "approver"]},
        {"roles": ["approver", "approver"]},
        {"principal_id": "workspace"},
        {"principal_id": ""},
        {"addresses": ["a"] * 2},
        {"admin": True},
    ],
)
def test_a_key_that_would_mix_up_roles_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        KeyCreateRequest.model_validate({"principal_id": "ada", "roles": ["approver"], **change})

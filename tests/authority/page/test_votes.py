"""Several approvals: the page counts, says who gave one, and takes one from each person."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

LARGE = 987_654_321_012
"""So long that no digest on the card holds it by chance."""


async def test_two_people_approve_what_needs_two_and_each_is_told_how_it_stands(world, visit):
    """G11: one person is one approval, however often."""
    ada = await world.key("ada", addresses=("compliance",))
    grace = await world.key("grace", addresses=("compliance",))
    asked = await world.ask({"amount": 1}, quorum=2)
    first, second = await visit(key=ada), await visit(key=grace)
    await first.open()
    await second.open()
    await first.page.bring_to_front()
    await first.read()
    await first.approve.click()
    voted = await first.outcome()
    await second.page.locator("#card-facts", has_text="1 of 2").wait_for()
    facts = await second.page.locator("#card-facts").inner_text()
    between = (await world.status(asked))["status"]
    await second.page.bring_to_front()
    await second.read()

    await second.approve.click()

    assert voted == "Your approval counts: 1 of 2. The others are waited for."
    assert "ada" in facts.split("Who must approve")[1]
    assert await second.outcome() == "You approved this call."
    assert (between, (await world.status(asked))["status"]) == ("pending", "approved")


async def test_a_call_that_is_handed_in_late_appears_on_the_open_card(world, visit):
    ada = await world.key("ada", addresses=("compliance",))
    asked = await world.ask({"amount": LARGE}, show=False)
    visitor = await visit(key=ada)
    await visitor.open()
    await visitor.page.get_by_text("You cannot see what will be sent").wait_for()

    shown = {"escalation_id": asked, "tool": "transfer", "arguments": {"amount": LARGE}, "server": "late"}
    await world.send("POST", "/v1/prompts/calls", shown)

    await visitor.page.locator("#card-facts", has_text=str(LARGE)).wait_for()
    assert await visitor.page.locator("#card-word-row").is_hidden()

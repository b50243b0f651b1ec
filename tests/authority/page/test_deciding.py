"""Approving and rejecting in a real browser: what is recorded, and what never approves (G1, G3)."""

from __future__ import annotations

import json
from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ada(world) -> str:
    return await world.key("ada", addresses=("compliance",))


@pytest.fixture
def posted(visit):
    """Note the answers that a visitor's page posts."""

    def noted(visitor: Any) -> list[Any]:
        bodies: list[Any] = []

        def note(request: Any) -> None:
            if request.method == "POST" and request.url.endswith("/resolve"):
                bodies.append(json.loads(request.post_data))

        visitor.page.on("request", note)
        return bodies

    return noted


async def test_what_is_approved_on_the_page_is_recorded_with_who_did_it(world, visit, ada):
    asked = await world.ask({"amount": 120.5, "to": "acme-12"})
    visitor = await visit(key=ada)
    await visitor.open()
    await visitor.page.get_by_label("Note for whoever asked").fill("within the limit")
    await visitor.read()

    await visitor.approve.click()

    assert await visitor.outcome() == "You approved this call."
    found = await world.status(asked)
    assert (found["status"], found["resolved_by"]) == ("approved", "ada")


async def test_a_rejection_works_at_once_and_a_double_click_posts_one_answer(world, visit, ada, posted):
    asked = await world.ask({"text": "long\n" * 200})
    visitor = await visit(key=ada)
    bodies = posted(visitor)
    await visitor.open()
    await visitor.page.get_by_label("Note for whoever asked").fill("not without a contract")

    await visitor.page.get_by_role("button", name="Reject").dblclick()

    assert await visitor.outcome() == "You rejected this call."
    assert bodies == [{"resolution": "rejected", "note": "not without a contract"}]
    assert (await world.status(asked))["status"] == "rejected"


async def test_by_keyboard_alone_a_call_is_found_read_and_approved(world, visit, ada):
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    keys = visitor.page.keyboard
    await visitor.page.locator("#list button").wait_for()
    await visitor.tab_to("#list button")
    await keys.press("Enter")
    await visitor.page.locator("#card-facts h3").first.wait_for()
    await keys.press("End")
    await visitor.tab_to("#card-note")
    await keys.type("fine")
    await visitor.page.locator("#card-approve[aria-disabled=false]").wait_for()
    await visitor.tab_to("#card-approve")

    await keys.press("Enter")

    assert await visitor.outcome() == "You approved this call."
    assert (await world.status(asked))["status"] == "approved"


async def test_keys_that_nobody_aimed_at_the_approval_do_not_approve(world, visit, ada, posted):
    """Enter, Escape, Space and a key that is held down while the card opens, on the heading and in the note."""
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    bodies = posted(visitor)
    keys = visitor.page.keyboard
    await visitor.page.locator("#list button").focus()
    for _ in range(5):  # held down: the first opens the card, the others are repetitions
        await keys.down("Enter")
    await visitor.page.locator("#card-facts h3").first.wait_for()
    await visitor.read()
    for key in ("Enter", "Escape", "Space", "y", "a"):
        await keys.press(key)
    await visitor.page.get_by_label("Note for whoever asked").press("Control+Enter")
    await keys.press("Enter")
    await visitor.approve.focus()
    await keys.up("Enter")
    await keys.down("Shift")
    await visitor.hold("Enter")

    assert bodies == []
    assert (await world.status(asked))["status"] == "pending"


async def test_nothing_is_approved_before_all_of_it_was_on_the_screen(world, visit, ada, posted):
    """A2: what stands between the top and the bottom counts, too."""
    asked = await world.ask({"text": "line\n" * 120, "to": "mallory"})
    visitor = await visit(key=ada)
    bodies = posted(visitor)
    await visitor.open()
    await visitor.settle()
    at_top = await visitor.try_to_approve()
    await visitor.page.evaluate("scrollTo(0, document.body.scrollHeight)")
    await visitor.settle()
    at_bottom = await visitor.try_to_approve()

    assert ["Scroll through" in said for said in (at_top, at_bottom)] == [True, True]
    assert bodies == []
    await visitor.read()
    await visitor.approve.click()
    assert await visitor.outcome() == "You approved this call."
    assert (await world.status(asked))["status"] == "approved"


async def test_a_press_within_half_a_second_of_a_change_does_not_approve(world, visit, ada, posted):
    """A20: the card is drawn anew under the finger. Time stands still on the page, but for what the test lets pass."""
    await world.ask({"amount": 1})
    visitor = await visit(viewport={"width": 900, "height": 1600})
    clock = visitor.page.clock
    await clock.install()
    await visitor.sign_in(ada)
    bodies = posted(visitor)
    await visitor.open()
    await visitor.page.locator("#card-approve[aria-disabled=false]").wait_for()
    await clock.pause_at(await visitor.page.evaluate("Date.now() / 1000 + 2"))

    await visitor.page.get_by_role("button", name="Show as plain ASCII").click()
    for _ in range(4):
        await clock.run_for(110)
        told = await visitor.try_to_approve()

    assert (told, bodies) == ("One moment: the card has just changed.", [])
    await clock.run_for(600)
    await visitor.approve.click()
    assert await visitor.outcome() == "You approved this call."


async def test_a_script_that_clicks_approves_nothing(world, visit, ada, posted):
    """An extension, or what found a way in, can call click(); a person presses."""
    await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    bodies = posted(visitor)
    await visitor.open()
    await visitor.read()

    await visitor.page.evaluate("document.getElementById('card-approve').click()")
    await visitor.page.evaluate("document.getElementById('card-reject').click()")

    await visitor.settle()
    assert bodies == []


@pytest.mark.parametrize("asked", [{"show": False}, {"resource": "invoices:all"}], ids=["not handed in", "not bound"])
async def test_what_cannot_be_seen_wants_a_typed_word(world, visit, ada, posted, asked):
    raised = await world.ask(**asked)
    visitor = await visit(key=ada)
    bodies = posted(visitor)
    await visitor.open()
    await visitor.read_all()
    word = visitor.page.get_by_label("To approve what you cannot see")
    without = await visitor.try_to_approve()
    await word.focus()
    await visitor.page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.setData('text/plain', 'unseen');
            const paste = new ClipboardEvent('paste', { clipboardData: data, cancelable: true });
            if (document.activeElement.dispatchEvent(paste)) document.activeElement.value = 'unseen';
        }"""
    )
    pasted = await word.input_value()
    await word.press_sequentially("unseen")
    await visitor.read()

    await visitor.approve.click()

    assert ("type the word" in without, pasted) == (True, "")
    assert await visitor.outcome() == "You approved this call."
    assert bodies == [{"resolution": "approved"}]
    assert (await world.status(raised))["status"] == "approved"


async def test_a_call_that_is_not_the_one_that_is_asked_about_can_only_be_rejected(world, visit, ada):
    """G13, A8: the page compares the digest itself, whatever the server says."""
    asked = await world.ask({"amount": 5})
    visitor = await visit()

    async def forged(route: Any) -> None:
        reply = await route.fetch()
        body = await reply.json()
        await route.fulfill(response=reply, json=body | {"canonical": '{"amount":987654321012}'})

    await visitor.page.route("**/call", forged)
    await visitor.sign_in(ada)
    await visitor.open()

    assert "not the one that is asked about" in await visitor.outcome()
    assert await visitor.approve.get_attribute("aria-disabled") == "true"
    assert "987654321012" not in await visitor.page.locator("#card-facts").inner_text()
    await visitor.page.get_by_role("button", name="Reject").click()
    await visitor.page.get_by_text("You rejected this call.").wait_for()
    assert (await world.status(asked))["status"] == "rejected"


async def test_a_lost_reply_is_asked_about_and_not_posted_again(world, visit, ada, posted):
    """G3: the answer arrived; only the reply did not."""
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    bodies = posted(visitor)

    async def lose(route: Any) -> None:
        await route.fetch()
        await route.abort()

    await visitor.page.route("**/resolve", lose)
    await visitor.open()
    await visitor.read()

    await visitor.approve.click()

    assert await visitor.outcome() == "You approved this call."
    assert len(bodies) == 1
    assert (await world.status(asked))["status"] == "approved"


async def test_an_answer_that_never_arrived_can_be_given_again(world, visit, ada):
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    await visitor.page.route("**/resolve", lambda route: route.abort())
    await visitor.open()
    await visitor.page.get_by_role("button", name="Reject").click()
    first = await visitor.outcome()
    await visitor.page.unroute("**/resolve")

    await visitor.page.get_by_role("button", name="Reject").click()

    await visitor.page.get_by_text("You rejected this call.").wait_for()
    assert "did not arrive" in first
    assert (await world.status(asked))["status"] == "rejected"


async def test_who_comes_second_is_told_who_was_first(world, visit, ada):
    """A21: the reply is 409, and the stream said nothing of it in time."""
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    await visitor.open()
    await visitor.read()

    async def come_second(route: Any) -> None:
        body = {"resolution": "rejected", "resolved_by": "grace", "note": "no"}
        await world.send("POST", f"/v1/escalations/{asked}/resolve", body)
        await route.continue_()

    await visitor.page.route("**/resolve", come_second)

    await visitor.approve.click()

    assert (await visitor.outcome()).startswith("Somebody was first: rejected by grace.")
    assert (await world.status(asked))["resolved_by"] == "grace"


async def test_what_is_answered_elsewhere_becomes_inert_and_says_by_whom(world, visit, ada):
    asked = await world.ask({"amount": 1})
    visitor = await visit(key=ada)
    await visitor.open()

    await world.send("POST", f"/v1/escalations/{asked}/resolve", {"resolution": "approved", "resolved_by": "grace"})

    assert (await visitor.outcome()).startswith("Somebody was first: approved by grace.")
    assert not await visitor.approve.is_visible()


async def test_after_its_deadline_a_card_is_inert_by_the_authoritys_clock(world, visit, ada):
    asked = await world.ask({"amount": 1})
    world.clock.ahead = 24 * 3600 - 4
    visitor = await visit(key=ada)
    await visitor.open()

    assert await visitor.outcome() == "The time to answer is over."
    assert not await visitor.approve.is_visible()
    assert (await world.status(asked))["status"] in {"pending", "expired"}


async def test_who_asked_cannot_approve_on_the_page_either(world, visit):
    """G11."""
    own = await world.key("usr_7", addresses=("compliance",))
    asked = await world.ask({"amount": 1}, user="usr_7")
    visitor = await visit(key=own)
    await visitor.open()
    await visitor.read()

    await visitor.approve.click()

    assert "Who asked cannot approve" in await visitor.outcome()
    assert (await world.status(asked))["status"] == "pending"

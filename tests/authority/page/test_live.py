"""The open page: what arrives, what is lost, who else is signed in, and what a screen reader is told."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ada(world) -> str:
    return await world.key("ada", addresses=("compliance",))


async def test_what_arrives_appears_by_itself_the_first_to_run_out_first(world, visit, ada):
    visitor = await visit(key=ada)
    empty = await visitor.page.locator("#empty").inner_text()
    await world.ask({"n": 1}, tool="transfer_first")
    await visitor.page.locator("#list li").first.wait_for()
    world.clock.ahead = 60
    await world.ask({"n": 2}, tool="transfer_second")
    await world.ask({"n": 3}, tool="transfer_elsewhere", to="legal")
    await visitor.page.locator("#list li").nth(1).wait_for()

    rows = await visitor.page.locator("#list .what").all_inner_texts()

    assert empty.startswith("Nothing waits for you.")
    assert rows == ["transfer_first", "transfer_second"]
    assert await visitor.page.title() == "(2) Inbox"
    await visitor.page.locator("#announcements", has_text="2 questions wait").wait_for()


async def test_what_is_answered_leaves_the_list(world, visit, ada):
    asked = await world.ask({"n": 1})
    visitor = await visit(key=ada)
    await visitor.page.locator("#list li").first.wait_for()

    await world.send("POST", f"/v1/escalations/{asked}/resolve", {"resolution": "rejected", "resolved_by": "grace"})

    await visitor.page.locator("#empty").wait_for()
    assert await visitor.page.title() == "Inbox"


async def test_a_change_is_shown_in_its_row_and_leaves_the_others_alone(world, visit, ada):
    """With a thousand rows, drawing all of them for each change would keep the page from answering."""
    changes = await world.ask({"n": 1}, tool="transfer_first", quorum=2)
    stays = await world.ask({"n": 2}, tool="transfer_second")
    visitor = await visit(key=ada)
    row = visitor.page.locator(f'#list button[data-id="{stays}"]')
    await row.focus()
    await row.evaluate("row => { row.sameAsBefore = true; }")

    await world.send("POST", f"/v1/escalations/{changes}/resolve", {"resolution": "approved", "resolved_by": "grace"})
    await visitor.page.locator("#list li", has_text="1 of 2 approvals").wait_for()
    rows = await visitor.page.locator("#list .what").all_inner_texts()
    await world.send("POST", f"/v1/escalations/{changes}/resolve", {"resolution": "rejected", "resolved_by": "bob"})
    await visitor.page.locator("#list li").nth(1).wait_for(state="detached")

    assert rows == ["transfer_first", "transfer_second"]
    assert await row.evaluate("row => row.sameAsBefore && row === document.activeElement")


NOTIFICATIONS = """
window.shown = [];
window.Notification = class {
    static permission = 'default';
    static requested = 0;
    static async requestPermission() { this.requested += 1; return this.permission = 'granted'; }
    constructor(title, options) { window.shown.push([title, options.body ?? '']); }
};
document.hasFocus = () => false;
"""


async def test_notifications_are_asked_for_by_a_click_and_hold_nothing_of_the_question(world, visit, ada):
    """G7: they stand on locked screens."""
    visitor = await visit()
    await visitor.context.add_init_script(NOTIFICATIONS)
    await visitor.sign_in(ada)
    before = await visitor.page.evaluate("Notification.requested")
    await visitor.page.get_by_role("button", name="Notify me").click()
    await visitor.page.get_by_role("button", name="Notify me").wait_for(state="hidden")

    await world.ask({"secret": "plan"})
    await visitor.page.wait_for_function("window.shown.length > 0")

    assert before == 0
    assert await visitor.page.evaluate("window.shown") == [["Something waits for your approval", ""]]
    assert (await visitor.page.title()).startswith("New: (1)")


async def test_a_lost_connection_is_said_and_turns_approval_off_until_it_is_back(world, visit, ada):
    """G10. What happened meanwhile is told when it is back."""
    await world.ask({"n": 1})
    visitor = await visit(key=ada)
    await visitor.open()
    await visitor.read()
    await visitor.page.route("**/inbox/events", lambda route: route.abort())
    await visitor.page.evaluate("window.dispatchEvent(new Event('offline'))")
    await visitor.page.locator("#lost").wait_for()
    said = await visitor.try_to_approve()
    await world.ask({"n": 2}, tool="transfer_later")
    await visitor.page.unroute("**/inbox/events")

    await visitor.page.get_by_role("button", name="Try again now").click()

    await visitor.page.locator("#lost").wait_for(state="hidden")
    await visitor.page.get_by_role("button", name="Back to the list").click()
    await visitor.page.locator("#list li").nth(1).wait_for()
    assert "connection is lost" in said


async def test_two_tabs_share_a_session_and_the_first_answer_counts_in_both(world, visit, ada):
    await world.ask({"n": 1})
    visitor = await visit(key=ada)
    other = await visitor.context.new_page()
    await other.goto(world.url)
    await other.locator("#list button").click()
    await other.locator("#card-facts h3").first.wait_for()
    await visitor.open()
    await visitor.page.bring_to_front()
    await visitor.read()
    await visitor.approve.click()
    await visitor.outcome()

    await other.locator("#card-outcome p").first.wait_for()

    assert "in another place: approved by ada" in await other.locator("#card-outcome").inner_text()
    await visitor.page.get_by_role("button", name="Sign out").click()
    await other.locator("#sign-in").wait_for()


async def test_revoking_the_key_closes_the_open_page(world, visit, ada):
    await world.ask({"n": 1})
    visitor = await visit(key=ada)
    await visitor.open()

    await world.revoke(ada)

    await visitor.page.locator("#sign-in").wait_for()
    assert await visitor.page.locator("#card-facts").inner_text() == ""
    assert await visitor.page.evaluate("localStorage.length") == 0


async def test_a_refused_key_is_told_why_and_is_kept_nowhere(world, visit):
    visitor = await visit()
    await visitor.page.goto(world.url)
    for key in (world.running.api_key, "nonsense"):
        await visitor.page.get_by_label("Your approver key").fill(key)
        await visitor.page.get_by_role("button", name="Sign in").click()
        await visitor.page.locator("#sign-in-problem", has_text="key").wait_for()

    stored = await visitor.page.evaluate(
        "JSON.stringify([localStorage, sessionStorage, document.cookie, location.href])"
    )
    assert world.running.api_key not in stored
    assert await visitor.page.get_by_label("Your approver key").input_value() == ""
    assert await visitor.page.locator("#inbox").is_hidden()


async def test_no_script_of_the_page_can_read_the_cookie_or_the_key(world, visit, ada):
    visitor = await visit(key=ada)

    readable = await visitor.page.evaluate("JSON.stringify([document.cookie, {...localStorage}, location.href])")
    cookies = await visitor.context.cookies()

    assert ada not in readable
    assert [cookie["httpOnly"] for cookie in cookies] == [True]
    assert cookies[0]["value"] not in readable


async def test_a_reload_stays_signed_in_and_the_back_button_closes_the_card(world, visit, ada):
    await world.ask({"n": 1})
    visitor = await visit(key=ada)
    await visitor.page.reload()
    await visitor.open()

    await visitor.page.go_back()

    await visitor.page.locator("#list li").first.wait_for()
    assert await visitor.page.locator("#card").is_hidden()
    assert visitor.page.url == world.url


async def test_a_page_that_another_authority_answers_says_so_and_shows_nothing(visit, world, ada):
    visitor = await visit(key=ada)
    await visitor.page.route("**/inbox/session", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))

    await visitor.page.reload()

    await visitor.page.locator("#sign-in-problem", has_text="502").wait_for()
    assert await visitor.page.locator("#inbox").is_hidden()


async def tree(page: Any) -> str:
    return await page.locator("body").aria_snapshot()


async def test_a_screen_reader_finds_headings_labels_and_buttons(world, visit, ada):
    await world.ask({"amount": 120.5, "to": "acme-12"})
    visitor = await visit()
    await visitor.page.goto(world.url)
    await visitor.page.locator("#sign-in").wait_for()
    signed_out = await tree(visitor.page)
    await visitor.sign_in(ada)
    await visitor.page.locator("#list li").first.wait_for()
    listed = await tree(visitor.page)
    await visitor.open()
    focused = await visitor.page.evaluate("document.activeElement.id")
    opened = await tree(visitor.page)

    assert all(line in signed_out for line in ('heading "Sign in"', 'textbox "Your approver key"', 'button "Sign in"'))
    assert 'heading "Waiting for you 1"' in listed
    assert 'button "transfer' in listed
    assert focused == "card-title"
    order = [
        'article "Approve this call for somebody else? transfer"',
        'button "Back to the list"',
        'heading "Approve this call',
        "timer",
        'heading "What will be sent"',
        "term: amount",
        'definition: "120.5"',
        'heading "Why it asks"',
        'heading "A yes opens"',
        'heading "Who must approve"',
        'textbox "Note for whoever asked',
        'button "Reject"',
        'button "Approve" [disabled]',
    ]
    places = [opened.find(line) for line in order]
    assert -1 not in places, (order[places.index(-1)], opened)
    assert places == sorted(places)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_from_what_is_behind_it(world, visit, ada, scheme):
    """WCAG 2.2, 1.4.3: at least 4.5 to 1, measured on what is drawn."""
    await world.ask({"note": "\u202ename", "api_key": "hunter22"}, show=True)
    await world.ask(show=False, tool="unseen_tool")
    visitor = await visit(key=ada, color_scheme=scheme)
    worst = []
    for name in ("transfer", "unseen_tool"):
        await visitor.open(name)
        worst.append(await visitor.page.evaluate(CONTRAST))
        await visitor.page.get_by_role("button", name="Back to the list").click()

    assert min(ratio for ratio, _ in worst) >= 4.5, worst


async def test_at_320_pixels_nothing_is_cut_off_at_the_side(world, visit, ada):
    """WCAG 2.2, 1.4.10: also what 200 % zoom makes of a small window."""
    await world.ask({"a" * 60: "b" * 400, "text": "word " * 50})
    visitor = await visit(key=ada, viewport={"width": 320, "height": 480})
    await visitor.open()

    assert await visitor.page.evaluate("document.documentElement.scrollWidth") <= 320
    await visitor.read()
    await visitor.approve.click()
    assert await visitor.outcome() == "You approved this call."


CONTRAST = """() => {
    const channels = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let at = element; at !== null; at = at.parentElement) {
            const color = channels(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    let worst = [99, ''];
    for (const element of document.querySelectorAll('body *')) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        if (!own || element.getClientRects().length === 0) continue;
        const [one, other] = [light(channels(getComputedStyle(element).color)), light(behind(element))];
        const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (ratio < worst[0]) worst = [ratio, `${element.className} ${element.textContent.slice(0, 40)}`];
    }
    return worst;
}"""

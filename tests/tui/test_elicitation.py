"""What a server asks for is answered by a person who saw it: sent by a key of its own, opened by two."""

from contextlib import asynccontextmanager

import anyio
import pytest
from settling import press
from textual.app import App
from textual.events import Paste

from allowly_harness.approvers.elicitation import ElicitationReply, ElicitationRequest
from allowly_harness.protocol.models import ServerInfo
from allowly_harness.tui.filling.browser import open_in_browser, why_not_opened
from allowly_harness.tui.filling.elicitation import ElicitationScreen
from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.lines import NoControls

pytestmark = pytest.mark.anyio

BOOKING = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Full name", "description": "As in your passport"},
        "age": {"type": "integer", "minimum": 0},
        "plan": {"type": "string", "enum": ["free", "pro"], "enumNames": ["Free of charge", "For work"]},
        "news": {"type": "boolean", "default": False},
    },
    "required": ["name"],
}
EVIL = "Thanks \x1b]52;c;x\x07\u202e [@click=screen.dismiss(True)]here[/] [/"
SIGN_IN = "https://accounts.example.com/oauth?client=7"


def form(schema=BOOKING, message="I need a few facts.") -> ElicitationRequest:
    return ElicitationRequest(ServerInfo("mail", "python mail_server.py"), message, schema=schema)


def visit(url=SIGN_IN, message="Please sign in.") -> ElicitationRequest:
    return ElicitationRequest(ServerInfo("mail", "python mail_server.py"), message, mode="url", url=url)


class BareApp(App[None]):
    def get_line_filters(self):
        return [*super().get_line_filters(), NoControls()]


class Visitor:
    """The screen with what a test does to it."""

    def __init__(self, app, pilot, hands, screen) -> None:
        self.app = app
        self.pilot = pilot
        self.hands = hands
        self.screen = screen
        self.replies: list[ElicitationReply] = []
        self.opened: list[str] = []
        self.browser_works = True

    async def open_url(self, url: str) -> bool:
        self.opened.append(url)
        return self.browser_works

    async def press(self, *keys: str, after: float = 0.0) -> None:
        self.hands.passed += after
        await press(self.pilot, *keys)

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def until(self, condition) -> None:
        with anyio.fail_after(30):
            while not condition():
                await self.pilot.pause(0.01)

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def asking(hands):
    """Ask: `async with asking(form(), size=(80, 24)) as visitor`; `live=False` stays in the hold-off."""

    @asynccontextmanager
    async def ask(request, *, size=(80, 24), live=True):
        app = BareApp()
        async with app.run_test(size=size) as pilot:
            visitor = Visitor(app, pilot, hands, None)
            visitor.screen = ElicitationScreen(
                request, clock=hands.clock(), key_time=lambda _: hands.passed, open_url=visitor.open_url
            )
            app.push_screen(visitor.screen, visitor.replies.append)
            await visitor.until(lambda: visitor.screen._live_from is not None)
            if live:
                hands.passed += 1.3
                await visitor.press("tab")
            yield visitor

    return ask


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40)])
@pytest.mark.parametrize("request_", [form(), visit()], ids=["form", "url"])
async def test_the_screen_looks_as_it_did(asking, snapshot, size, request_):
    async with asking(request_, size=size) as visitor:
        await visitor.pilot.pause(0.3)
        await visitor.press()

        snapshot(f"elicitation_{request_.mode}_{size[0]}x{size[1]}", visitor.text)


async def test_a_form_that_is_filled_in_and_sent_is_accepted_with_its_values(asking):
    async with asking(form()) as visitor:
        await visitor.type("Ada")
        await visitor.press("tab")
        await visitor.type("36")
        await visitor.press("tab", "right", "ctrl+s")

        await visitor.until(lambda: visitor.replies)
        assert visitor.replies == [
            ElicitationReply.accept({"name": "Ada", "age": 36, "plan": "free", "news": False}),
        ]


async def test_defaults_are_filled_in_where_the_person_sees_them(asking):
    async with asking(form()) as visitor:
        assert "< false >" in visitor.text


async def test_enter_sends_nothing(asking):
    async with asking(form()) as visitor:
        await visitor.type("Ada")
        await visitor.press(*["enter"] * 8)

        assert visitor.replies == []


@pytest.mark.parametrize(
    ("keys", "reply"),
    [
        (["ctrl+d"], ElicitationReply.decline()),
        (["escape"], ElicitationReply.cancel()),
        (["x", "escape"], ElicitationReply.cancel()),
    ],
)
async def test_declining_and_closing_are_two_answers_and_send_no_values(asking, keys, reply):
    async with asking(form()) as visitor:
        await visitor.press(*keys)

        await visitor.until(lambda: visitor.replies)
        assert visitor.replies == [reply]


async def test_what_does_not_fit_is_not_sent(asking):
    async with asking(form()) as visitor:
        await visitor.press("ctrl+s")
        await visitor.until(lambda: "Not sent" in visitor.text)
        await visitor.until(lambda: "! needed" in visitor.text)
        await visitor.type("Ada")
        await visitor.press("tab", "x", "ctrl+s")
        await visitor.until(lambda: "must be an integer" in visitor.text)

        assert visitor.replies == []


async def test_keys_pressed_before_the_screen_was_painted_answer_nothing_and_type_nothing(asking):
    async with asking(form({"properties": {"name": {"type": "string"}}}), live=False) as visitor:
        await visitor.press("y", "enter", "ctrl+s", "ctrl+d", "escape", after=0.5)
        early = list(visitor.replies)
        await visitor.press("tab", after=1.0)
        await visitor.press("ctrl+s")

        assert early == []
        await visitor.until(lambda: visitor.replies)
        assert visitor.replies == [ElicitationReply.accept({})]


async def test_a_resize_holds_the_answering_keys_off_again(asking):
    async with asking(form()) as visitor:
        await visitor.type("Ada")
        await visitor.pilot.resize_terminal(70, 20)
        await visitor.pilot.pause()
        await visitor.press("ctrl+s")
        held = list(visitor.replies)
        await visitor.press("ctrl+s", after=1.3)

        assert held == []
        await visitor.until(lambda: visitor.replies)
        assert [reply.action for reply in visitor.replies] == ["accept"]


async def test_the_servers_words_are_drawn_inert_and_never_close_the_screen(asking):
    schema = {"properties": {EVIL: {"type": "string", "title": EVIL, "description": EVIL}}}
    async with asking(form(schema, EVIL), size=(100, 30)) as visitor:
        await visitor.pilot.click("#said", offset=(30, 4))
        await visitor.pilot.pause()

        assert not set(visitor.text) & set("\x1b\x07\u202e")
        assert "\\x1b]52;c;x\\x07" in visitor.text
        assert visitor.replies == []
        assert visitor.app.screen is visitor.screen


async def test_a_form_that_asks_for_a_secret_says_that_it_must_not(asking):
    schema = {"properties": {"api_key": {"type": "string"}, "pin": {"type": "string", "title": "Your PIN"}}}
    async with asking(form(schema), size=(60, 15)) as visitor:
        assert "It asks for api_key, pin: servers must not ask" in visitor.text


async def test_a_long_message_leaves_room_for_the_form(asking):
    async with asking(form(message="word " * 3_000), size=(60, 15)) as visitor:
        assert "name*" in visitor.text
        assert "^s send" in visitor.text


async def test_a_schema_that_makes_no_form_is_answered_with_json(asking):
    async with asking(form({"$ref": "#"})) as visitor:
        visitor.app.screen.query_one(FormPane)._raw_text.load_text('{"a": 1}')
        await visitor.pilot.pause()
        await visitor.press("ctrl+s")

        await visitor.until(lambda: visitor.replies)
        assert visitor.replies == [ElicitationReply.accept({"a": 1})]


async def test_unsent_text_makes_the_screen_dirty(asking):
    async with asking(form()) as visitor:
        before = visitor.screen.dirty
        await visitor.type("A")

        assert (before, visitor.screen.dirty) == (False, True)


async def test_a_page_is_opened_by_two_keys_and_that_accepts(asking):
    async with asking(visit()) as visitor:
        await visitor.press("o")
        await visitor.until(lambda: "y open it in your browser" in visitor.text)
        await visitor.press("y", after=0.5)
        await visitor.until(lambda: visitor.replies)

        assert visitor.opened == [SIGN_IN]
        assert visitor.replies == [ElicitationReply.accept()]


async def test_a_page_that_the_person_has_visited_is_accepted_by_two_keys(asking):
    async with asking(visit()) as visitor:
        await visitor.press("v")
        await visitor.press("y", after=0.5)

        assert visitor.opened == []
        await visitor.until(lambda: visitor.replies)
        assert visitor.replies == [ElicitationReply.accept()]


@pytest.mark.parametrize(
    "presses",
    [
        [("y", 0)],
        [("enter", 0), ("space", 1), ("a", 1)],
        [("o", 0), ("y", 0.1)],
        [("o", 0), ("y", 6)],
        [("o", 0), ("x", 1), ("y", 1)],
        [("v", 0), ("enter", 1)],
    ],
)
async def test_nothing_else_opens_or_accepts(asking, presses):
    async with asking(visit()) as visitor:
        for key, after in presses:
            await visitor.press(key, after=after)
        visitor.app.post_message(Paste("oy"))
        await visitor.pilot.pause()

        assert (visitor.opened, visitor.replies) == ([], [])


@pytest.mark.parametrize(("key", "action"), [("d", "decline"), ("ctrl+d", "decline"), ("escape", "cancel")])
async def test_a_visit_is_declined_or_closed(asking, key, action):
    async with asking(visit()) as visitor:
        await visitor.press(key)

        await visitor.until(lambda: visitor.replies)
        assert [reply.action for reply in visitor.replies] == [action]


async def test_a_browser_that_does_not_start_accepts_nothing_and_says_so(asking):
    async with asking(visit()) as visitor:
        visitor.browser_works = False
        await visitor.press("o")
        await visitor.press("y", after=0.5)
        await visitor.until(lambda: "No browser took it" in visitor.text)

        assert visitor.replies == []


async def test_the_whole_address_must_have_been_on_the_screen_before_it_is_opened(asking):
    async with asking(visit(SIGN_IN + "&x=" + "a" * 2_000), size=(60, 15)) as visitor:
        await visitor.press("o")
        await visitor.until(lambda: "scroll down first" in visitor.text)
        await visitor.press(*["space"] * 10)
        await visitor.press("o")
        await visitor.press("y", after=0.5)
        await visitor.until(lambda: visitor.replies)

        assert len(visitor.opened[0]) > 2_000


async def test_the_host_is_named_and_what_poses_as_another_is_said(asking):
    async with asking(visit("https://accounts.example.com@evil.xn--80ak6aa92e.com/x"), size=(120, 40)) as visitor:
        assert "host  evil.xn--80ak6aa92e.com" in visitor.text
        assert "what stands before the @ is a user name" in visitor.text


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("javascript:alert(1)", "only http and https"),
        ("-https://example.com", "only http and https"),
        ("https://", "it names no host"),
        ("https://[", "it is no address"),
        ("https://example.com/\u202egnp.exe", "characters that an address does not have"),
        ("https://example.com/a b", "characters that an address does not have"),
        ("https://example.com\\@evil.com", "characters that an address does not have"),
        ("https://example.com/" + "a" * 8_000, "it is longer than"),
    ],
)
async def test_what_is_no_plain_web_address_is_shown_but_not_opened(asking, url, why):
    assert why in why_not_opened(url)
    assert await open_in_browser(url) is False

    async with asking(visit(url), size=(120, 40)) as visitor:
        for _ in range(5):
            await visitor.press("space")
        await visitor.press("o")
        await visitor.press("y", after=0.5)

        assert (visitor.opened, visitor.replies) == ([], [])
        assert not set(visitor.text) & set("\u202e\x1b")


async def test_a_browser_is_started_in_a_process_of_its_own(tmp_path, monkeypatch):
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/seen\necho noise\n')
    browser.chmod(0o700)
    monkeypatch.setenv("BROWSER", str(browser))

    assert await open_in_browser(SIGN_IN)
    assert (tmp_path / "seen").read_text() == SIGN_IN


async def test_a_browser_that_fails_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("BROWSER", "/bin/false %s")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DISPLAY", raising=False)

    assert not await open_in_browser(SIGN_IN)

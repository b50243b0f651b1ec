"""The form on the screen: every kind of field by keys and by mouse, raw JSON beside it, hostile schemas inert."""

from contextlib import asynccontextmanager

import anyio
import pytest
from settling import press
from textual.app import App, ComposeResult
from textual.events import Key, Paste

from allowly_harness.forms.loading import State
from allowly_harness.tui.filling.form import FormPane
from allowly_harness.tui.filling.inputs import FormText
from allowly_harness.tui.filling.picker import PickerScreen
from allowly_harness.tui.lines import NoControls

pytestmark = pytest.mark.anyio

ADDRESS = {
    "type": "object",
    "properties": {"street": {"type": "string"}, "zip": {"type": "string", "minLength": 5}},
    "required": ["street"],
}
LINE = {
    "type": "object",
    "properties": {"item": {"type": "string"}, "count": {"type": "integer", "default": 1}},
    "required": ["item"],
}
INVOICE = {
    "type": "object",
    "properties": {
        "customer": {"type": "string", "description": "Who pays.", "title": "The customer"},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "currency": {"enum": ["EUR", "USD", "CHF"]},
        "express": {"type": "boolean", "default": False},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}},
        "address": {"anyOf": [ADDRESS, {"type": "null"}]},
        "lines": {"type": "array", "items": LINE},
        "pay": {
            "oneOf": [
                {"title": "Card", "properties": {"card": {"type": "string"}}, "required": ["card"]},
                {"title": "Debit", "properties": {"iban": {"type": "string"}}, "required": ["iban"]},
            ]
        },
        "meta": {"type": "object"},
    },
    "required": ["customer", "amount"],
}
EVIL = "\x1b]52;c;x\x07\u202e[@click=app.quit]x[/] [/"


class FormApp(App[None]):
    """Nothing but a form."""

    def __init__(self) -> None:
        super().__init__()
        self.pane = FormPane()
        self.changes = 0

    def compose(self) -> ComposeResult:
        yield self.pane

    def get_line_filters(self):
        return [*super().get_line_filters(), NoControls()]

    def on_form_pane_changed(self) -> None:
        self.changes += 1


class Sheet:
    """A form with what a test does to it."""

    def __init__(self, app: FormApp, pilot) -> None:
        self.app = app
        self.pane = app.pane
        self.pilot = pilot

    async def press(self, *keys: str) -> None:
        await press(self.pilot, *keys)

    async def type(self, text: str) -> None:
        await self.press(*text)

    async def go(self, name: str) -> None:
        """Put the cursor into a field."""
        control = self.pane._fields.control((name,))
        self.app.screen.set_focus(control)
        await self.pilot.pause()

    async def paste(self, text: str) -> None:
        self.app.post_message(Paste(text))
        await self.pilot.pause()
        await self.pilot.pause()

    async def until(self, condition) -> None:
        with anyio.fail_after(30):
            while not condition():
                await self.pilot.pause(0.01)

    @property
    def cursor(self) -> str:
        """The field that the cursor is in."""
        slot = getattr(self.app.screen.focused, "slot", None)
        return "/".join(map(str, slot)) if slot is not None else ""

    @property
    def drawn(self) -> bool:
        """Whether nothing stands on the screen that was taken off the form; it cannot be drawn any more."""
        return all(widget.is_attached for widget in self.app.screen._compositor.full_map)

    @property
    def text(self) -> str:
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


@pytest.fixture
def filling():
    """Fill in a form: `async with filling(schema, value, size=(80, 24)) as sheet`."""

    @asynccontextmanager
    async def fill(schema=INVOICE, value=None, size=(80, 24)):
        app = FormApp()
        async with app.run_test(size=size) as pilot:
            sheet = Sheet(app, pilot)
            app.pane.show(schema, value)
            await pilot.pause(0.1)
            app.pane.focus_first()
            await pilot.pause()
            yield sheet

    return fill


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (120, 40), (40, 12)])
async def test_the_form_looks_as_it_did(filling, snapshot, size):
    async with filling(size=size) as sheet:
        await sheet.type("acme")
        await sheet.press("tab")
        await sheet.type("-5")
        await sheet.until(lambda: "! must be more than 0" in sheet.text)

        snapshot(f"form_{size[0]}x{size[1]}", sheet.text)


async def test_a_form_is_filled_in_with_the_keyboard_alone(filling):
    async with filling() as sheet:
        await sheet.type("acme")
        await sheet.press("enter")
        await sheet.type("12.50")
        await sheet.press("tab", "right", "right")
        await sheet.press("down", "space")
        await sheet.press("down")
        await sheet.type("thanks")
        await sheet.press("enter", "a", "enter", "b")

        assert sheet.pane.read() == {
            "customer": "acme",
            "amount": 12.5,
            "currency": "USD",
            "express": True,
            "note": "thanks",
            "tags": ["a", "b"],
        }


async def test_up_and_down_stay_in_the_form_and_tab_walks_through_it(filling):
    async with filling() as sheet:
        await sheet.press("up")
        first = sheet.cursor
        await sheet.press("down", "tab", "shift+tab")
        middle = sheet.cursor
        await sheet.press(*["down"] * 20)

        assert (first, middle, sheet.cursor) == ("customer", "amount", "meta")


async def test_keys_that_arrive_in_one_burst_go_into_the_fields_they_were_meant_for(filling):
    async with filling() as sheet:
        for key in ("a", "enter", "1", "2", "down", "right", "tab", "tab", "b", "up", "space"):
            sheet.app.post_message(Key(key, key if len(key) == 1 else None))
        await sheet.until(lambda: sheet.pane.state.peek().get("express") is not None)

        assert sheet.pane.state.peek() == {
            "customer": "a",
            "amount": 12,
            "currency": "EUR",
            "express": True,
            "note": "b",
        }


async def test_enter_in_a_field_goes_on_and_sends_nothing(filling):
    async with filling() as sheet:
        await sheet.type("acme")
        await sheet.press(*["enter"] * 2)

        assert (sheet.cursor, sheet.pane.state.peek()) == ("currency", {"customer": "acme"})


async def test_a_line_can_be_broken_in_a_text_field(filling):
    async with filling() as sheet:
        await sheet.type("a")
        await sheet.press("ctrl+j")
        await sheet.type("b")

        assert sheet.pane.state.peek()["customer"] == "a\nb"


async def test_what_is_needed_is_asked_for_when_the_form_is_read_and_the_cursor_goes_there(filling):
    async with filling() as sheet:
        await sheet.go("meta")
        before = sheet.text.count("! needed")

        assert sheet.pane.read() is None
        await sheet.pilot.pause()

        assert before == 1  # in the status line, which names the fields
        assert sheet.text.count("! needed") == 3
        assert sheet.cursor == "customer"


async def test_what_does_not_fit_is_said_under_the_field(filling):
    async with filling() as sheet:
        await sheet.go("amount")
        await sheet.type("12,5")
        await sheet.until(lambda: "! must be a number, such as 12 or 0.5" in sheet.text)

        assert sheet.pane.read() is None
        assert sheet.pane.read(insist=True) is None

        await sheet.press("backspace", "backspace", ".", "5")
        await sheet.until(lambda: "such as 12" not in sheet.text)


async def test_what_does_not_fit_the_schema_can_be_insisted_on(filling):
    async with filling() as sheet:
        await sheet.type("acme")
        await sheet.press("tab")
        await sheet.type("-1")

        assert sheet.pane.read() is None
        assert sheet.pane.read(insist=True) == {"customer": "acme", "amount": -1}


async def test_nothing_null_and_an_empty_text_are_told_apart(filling):
    async with filling() as sheet:
        await sheet.go("note")
        seen = []
        for _ in range(4):
            seen.append(
                (sheet.pane.state.peek().get("note", "unset"), sheet.text.split("note ")[1].split("\n")[0].strip())
            )
            await sheet.press("ctrl+n")

        assert seen == [
            ("unset", "not sent"),
            (None, "null"),
            ("", '"" (an empty text)'),
            ("unset", "not sent"),
        ]


async def test_null_over_typed_text_gives_it_back(filling):
    async with filling() as sheet:
        await sheet.go("note")
        await sheet.type("hello")
        await sheet.press("ctrl+n")
        nothing = sheet.pane.state.peek()["note"]
        await sheet.press("ctrl+n")

        assert nothing is None
        assert sheet.pane.state.peek()["note"] == "hello"
        assert "hello" in sheet.text


async def test_an_optional_group_opens_closes_and_keeps_what_was_typed(filling):
    async with filling() as sheet:
        await sheet.go("address")
        await sheet.press("space")
        await sheet.press("tab")
        await sheet.type("Main St 1")
        opened = sheet.pane.state.peek()
        await sheet.press("up", "space")
        closed, text = sheet.pane.state.peek(), sheet.text
        await sheet.press("enter")

        assert opened["address"] == {"street": "Main St 1"}
        assert "address" not in closed
        assert "street*" not in text
        assert "Main St 1" in sheet.text


async def test_a_folded_group_is_sent_and_unfolds_where_something_is_wrong(filling):
    async with filling() as sheet:
        await sheet.go("address")
        await sheet.press("space", "left")
        folded = sheet.text

        sheet.pane.read()
        await sheet.pilot.pause()

        assert "folded" in folded
        assert sheet.pane.state.peek()["address"] == {}
        assert "street*" in sheet.text


async def test_items_are_added_filled_in_and_removed(filling):
    async with filling() as sheet:
        await sheet.go("lines")
        await sheet.press("plus")
        await sheet.until(lambda: sheet.cursor == "lines/0")
        await sheet.press("down")
        await sheet.type("widget")
        await sheet.press("up", "plus")
        await sheet.until(lambda: sheet.cursor == "lines/1")
        await sheet.press("down")
        await sheet.type("gadget")
        two = sheet.pane.state.peek()["lines"]
        sheet.app.screen.set_focus(sheet.pane._fields.control(("lines", 0)))
        await sheet.press("minus")
        await sheet.until(lambda: "gadget" in sheet.text and "widget" not in sheet.text)

        assert two == [{"item": "widget"}, {"item": "gadget"}]
        assert sheet.pane.state.peek()["lines"] == [{"item": "gadget"}]


async def test_a_choice_is_found_by_typing_and_picked(filling):
    async with filling() as sheet:
        await sheet.go("currency")
        await sheet.press("enter")
        assert isinstance(sheet.app.screen, PickerScreen)
        assert sheet.pane.dirty
        await sheet.type("ch")
        await sheet.press("enter")

        assert sheet.pane.state.peek()["currency"] == "CHF"
        assert "< CHF >" in sheet.text


async def test_several_choices_are_sent_in_the_order_of_picking(filling):
    async with filling() as sheet:
        await sheet.go("colours")
        await sheet.press("space", "down", "down", "enter", "up", "up", "enter")
        during = sheet.text
        await sheet.press("escape")

        assert "[x] blue" in during
        assert sheet.pane.state.peek()["colours"] == ["blue", "red"]
        assert "2 of 3: blue, red" in sheet.text


async def test_a_variant_brings_its_own_fields(filling):
    async with filling(size=(80, 30)) as sheet:
        await sheet.go("pay")
        await sheet.press("right", "right")
        await sheet.press("down")
        await sheet.type("DE89")

        assert "Debit" in sheet.text
        assert sheet.pane.state.peek()["pay"] == {"iban": "DE89"}


async def test_the_mouse_opens_and_picks(filling):
    async with filling() as sheet:
        await sheet.pilot.click(sheet.pane._fields.control(("currency",)))
        await sheet.pilot.pause()
        assert isinstance(sheet.app.screen, PickerScreen)
        await sheet.pilot.click("#options", offset=(2, 1))
        await sheet.pilot.pause()

        assert sheet.pane.state.peek()["currency"] == "USD"


async def test_raw_json_and_the_form_hold_the_same_values(filling):
    async with filling() as sheet:
        await sheet.type("acme")
        await sheet.press("ctrl+e")
        shown = sheet.text
        sheet.app.screen.focused.load_text('{"customer": "acme", "amount": 7, "address": {"street": "x"}}')
        await sheet.pilot.pause()
        from_json = sheet.pane.read()
        await sheet.press("ctrl+e")
        await sheet.pilot.pause()

        assert '"customer": "acme"' in shown
        assert from_json == {"customer": "acme", "amount": 7, "address": {"street": "x"}}
        assert sheet.pane.read() == from_json
        assert "street*" in sheet.text


async def test_flipping_there_and_back_keeps_text_that_is_no_value_yet(filling):
    async with filling() as sheet:
        await sheet.go("amount")
        await sheet.type("12,")
        await sheet.press("ctrl+e", "ctrl+e")
        await sheet.pilot.pause()

        assert sheet.pane.state.entry(("amount",)) == (State.TYPED, "12,")


async def test_bad_json_is_told_with_its_line_and_keeps_the_form_away(filling):
    async with filling() as sheet:
        await sheet.press("ctrl+e")
        sheet.app.screen.focused.load_text('{\n  "customer": "acme",\n  "customer": "b"\n}')
        await sheet.until(lambda: "a name stands twice in one object, line 3, column 3" in sheet.text)
        await sheet.press("ctrl+e")

        assert sheet.pane.raw
        assert sheet.pane.read() is None
        assert "mend the JSON first" in sheet.text


async def test_a_problem_of_the_schema_is_told_with_its_line(filling):
    async with filling() as sheet:
        await sheet.press("ctrl+e")
        sheet.app.screen.focused.load_text('{\n  "customer": "acme",\n  "amount": "x"\n}')

        await sheet.until(lambda: "! amount: must be a number, line 3" in sheet.text)


async def test_values_that_the_form_has_no_field_for_stay_json(filling):
    async with filling() as sheet:
        await sheet.press("ctrl+e")
        sheet.app.screen.focused.load_text('{"customer": "a", "amount": 1, "more": true}')
        await sheet.pilot.pause()
        await sheet.press("ctrl+e")

        assert sheet.pane.raw
        assert "more: has no field in the form" in sheet.text
        assert sheet.pane.read() == {"customer": "a", "amount": 1, "more": True}


async def test_a_schema_without_a_form_is_written_as_json_and_says_why(filling):
    async with filling({"$ref": "https://example.com/schema"}) as sheet:
        assert sheet.pane.raw
        assert "refers to another document" in sheet.text
        assert "not checked here" in sheet.text
        assert sheet.pane.read() == {}


async def test_pasted_text_that_cannot_be_shown_is_kept_and_shown_as_json(filling):
    async with filling() as sheet:
        await sheet.type("ab")
        await sheet.press("left")
        await sheet.paste("x\u202ey\u2028z\x1b[2J\r\n")
        await sheet.until(lambda: "typed as JSON" in sheet.text)

        assert sheet.pane.state.peek()["customer"] == "ax\u202ey\u2028z\x1b[2J\nb"
        assert '"ax\\u202ey\\u2028z\\u001b[2J\\nb"' in sheet.text


async def test_pasted_line_breaks_and_tabs_stay_what_they_are(filling):
    async with filling() as sheet:
        await sheet.paste("one\rtwo\r\n\tthree")
        await sheet.until(lambda: "three" in sheet.text)

        assert sheet.pane.state.peek()["customer"] == "one\ntwo\n\tthree"


async def test_hidden_characters_pasted_into_json_become_escapes_of_the_same_value(filling):
    async with filling() as sheet:
        await sheet.press("ctrl+e")
        editor = sheet.app.screen.focused
        editor.load_text("")
        await sheet.paste('{"customer": "a\u202eb", "amount": 1}')

        assert editor.text == '{"customer": "a\\u202eb", "amount": 1}'
        assert sheet.pane.read() == {"customer": "a\u202eb", "amount": 1}


async def test_the_arguments_of_an_agent_come_in_without_a_character_that_acts(filling):
    async with filling(value={"customer": EVIL, "amount": 1, "meta": {EVIL: EVIL}}) as sheet:
        form = sheet.text
        await sheet.press("ctrl+e")

        for text in (form, sheet.text):
            assert not set(text) & set("\x1b\x07\u202e")
        assert sheet.pane.read() == {"customer": EVIL, "amount": 1, "meta": {EVIL: EVIL}}


async def test_a_hostile_schema_is_drawn_inert_everywhere(filling):
    hostile = {
        "title": EVIL,
        "description": EVIL,
        "format": EVIL,
        "pattern": EVIL,
        "default": EVIL,
    }
    schema = {
        "properties": {
            EVIL: {"type": "string", **hostile},
            "b": {"enum": [EVIL, "x"], **hostile},
            "c": {"const": EVIL},
            "d": {"oneOf": [{"title": EVIL, "properties": {EVIL: {}}}, {"properties": {"y": {"type": "string"}}}]},
            "e": {"type": "array", "items": {"enum": [EVIL]}},
            "f": {"type": "integer", **hostile},
        },
        "required": [EVIL, "c"],
    }
    async with filling(schema, size=(100, 40)) as sheet:
        seen = [sheet.text]
        for name, keys in {"b": ["right"], "d": ["right"], "e": ["space", "enter", "escape"], "f": ["x"]}.items():
            await sheet.go(name)
            for key in keys:
                await sheet.press(key)
                seen.append(sheet.text)
        sheet.pane.read()
        await sheet.pilot.pause(0.3)
        seen.append(sheet.text)

        for text in seen:
            assert not set(text) & set("\x1b\x07\u202e")
        assert any("[@click=app.quit]" in text for text in seen)
        assert sheet.app.is_running


async def test_a_form_is_dirty_while_something_is_typed_and_not_sent(filling):
    async with filling() as sheet:
        assert not sheet.pane.dirty
        await sheet.type("a")
        typed = sheet.pane.dirty
        await sheet.press("backspace")
        taken_back = sheet.pane.dirty
        await sheet.type("b")
        sheet.pane.mark_sent()

        assert (typed, taken_back, sheet.pane.dirty) == (True, False, False)
        assert sheet.app.changes == 3


async def test_flipping_to_json_and_back_is_no_change(filling):
    async with filling(value={"amount": 1, "customer": "a"}) as sheet:
        for _ in range(3):
            await sheet.press("ctrl+e")
            assert not sheet.pane.dirty


async def test_what_was_typed_is_unsent_on_both_sides(filling):
    async with filling() as sheet:
        await sheet.type("a")
        await sheet.press("ctrl+e")
        as_json = sheet.pane.dirty
        await sheet.press("ctrl+e")

        assert (as_json, sheet.pane.dirty) == (True, True)


async def test_a_draft_is_put_back_as_it_was(filling):
    async with filling() as sheet:
        await sheet.type("acme")
        await sheet.go("address")
        await sheet.press("space")
        draft = sheet.pane.draft()
        sheet.pane.show({"type": "object", "properties": {"other": {"type": "string"}}})
        await sheet.until(lambda: sheet.drawn and "acme" not in sheet.text)
        sheet.pane.show(INVOICE, draft=draft)

        await sheet.until(lambda: sheet.drawn and "acme" in sheet.text)
        assert "street*" in sheet.text
        assert sheet.pane.dirty


async def test_a_secret_is_masked_when_the_cursor_leaves_it(filling):
    schema = {"properties": {"password": {"type": "string"}, "user": {"type": "string"}}}
    async with filling(schema) as sheet:
        await sheet.type("hunter2")
        while_typing = sheet.text
        await sheet.press("tab")

        assert "hunter2" in while_typing
        assert "hunter2" not in sheet.text
        assert sheet.pane.read() == {"password": "hunter2"}


async def test_a_tool_without_arguments_is_read_as_an_empty_object(filling):
    async with filling({"type": "object", "properties": {}}) as sheet:
        assert "(no arguments)" in sheet.text
        assert sheet.pane.read() == {}


async def test_a_form_of_sixty_fields_is_scrolled_with_the_cursor(filling):
    schema = {"properties": {f"field_{n}": {"type": "string"} for n in range(60)}}
    async with filling(schema) as sheet:
        sheet.app.screen.set_focus(sheet.pane._fields.controls[-1])
        await sheet.until(lambda: "field_59" in sheet.text)

        assert "field_0 " not in sheet.text
        await sheet.type("x")
        assert sheet.pane.read() == {"field_59": "x"}


async def test_the_keys_of_the_editor_do_not_shadow_those_around_it():
    bound = {key for binding in FormText.BINDINGS for key in binding.key.split(",")}

    assert not bound & {"ctrl+d", "ctrl+e", "ctrl+s", "ctrl+r", "ctrl+n", "ctrl+y"}
    assert {"left", "backspace", "ctrl+w", "home", "end"} <= bound

"""No public function of the display hands out a raw character that acts or hides, from any field (G8)."""

import json
import sys
import unicodedata
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from allowly_harness.display.badges import badges_of
from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.diff import diff_sections
from allowly_harness.display.layout import lay_out, lay_out_sections, text_of
from allowly_harness.display.lookalikes import remark_on_name, remarks_on_value, same_looking
from allowly_harness.display.results import images_of, links_of, result_sections, rounds_of, word_for
from allowly_harness.display.sanitize import block, identifier, is_hidden, one_line, plain
from allowly_harness.display.secrets import masked_block, masked_text
from allowly_harness.display.summary import summary_of
from allowly_harness.display.values import argument_rows, full_arguments, show_value
from allowly_harness.protocol.models import APPROVAL_META, ServerInfo, ToolCall, ToolInfo, Verification

HOSTILE = json.loads((Path(__file__).parent / "hostile_strings.json").read_text())
CHUNK = 100
MARKUP = [name for name in HOSTILE if name.startswith(("markup", "html", "dollar"))]


def code_points():
    """All of Cc, Cf, Zl and Zp, and the ends of the surrogates and of each private range.

    That the sanitiser knows every one of them is proved where it is tested; here is proved that no field goes past it.
    """
    for code in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code))
        if category in ("Cc", "Cf", "Zl", "Zp") or (category in ("Co", "Cs") and code & 0xFFF < 16):
            yield chr(code)


def chunks(characters):
    return [characters[start : start + CHUNK] for start in range(0, len(characters), CHUNK)]


POINTS = list(code_points())
CARRIED = [point for point in POINTS if unicodedata.category(point) != "Cs"]  # JSON carries no lone surrogate


def texts_in(thing):
    """Yield every string that a value of the display holds; `data` and `raw_uri` are as they came, and say so."""
    if isinstance(thing, str):
        yield thing
    elif is_dataclass(thing):
        for field in fields(thing):
            if field.name not in ("data", "raw_uri"):
                yield from texts_in(getattr(thing, field.name))
    elif isinstance(thing, dict):
        yield from texts_in(list(thing.values()))
    elif isinstance(thing, list | tuple):
        for item in thing:
            yield from texts_in(item)


def assert_inert(*things):
    for text in texts_in(things):
        assert text.isprintable(), ascii(text)
        assert not any(map(is_hidden, text)), ascii(text)


def everything_of_a_request(question, text, argument):
    request = question(
        tool_name=argument,
        arguments={argument: argument, "list": [argument, {argument: 1}], "long": argument + "." * 400},
        edited_from=ToolCall("mail", argument, {argument: [argument], "list": argument, "long": "." * 400 + argument}),
        danger=text,
        requester=text,
        authorization_id=text,
        server=ServerInfo(text, text),
        prompt_hint=text,
        reason=text,
        scope=text,
        escalation_to=text,
        kind="escalate",
        verification=Verification.UNBOUND,
        note=text,
        round=2,
        tool=ToolInfo(text, title=f"t{text}", description=text, annotations={text: True, "destructiveHint": text}),
    )
    for revealed in (False, True):
        card = build_card(request, code="k7", revealed=revealed)
        view = full_view(request, revealed=revealed)
        yield from (card, view, lay_out(card, 40), lay_out_sections(view, 80), summary_of(request, revealed=revealed))
    yield badges_of(request.tool.annotations)


def everything_of_a_result(text):
    content = [
        TextContent(type="text", text=text),
        ImageContent(type="image", data=text, mime_type=text),
        AudioContent(type="audio", data=text, mime_type=text),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri=text, text=text, mime_type=text)),
        EmbeddedResource(
            type="resource", resource=BlobResourceContents(uri=text, blob=text, mime_type=f"image/{text}")
        ),
        ResourceLink(type="resource_link", name=text, title=text, uri=text, mime_type=text),
    ]
    for result in (
        CallToolResult(content=content, _meta={APPROVAL_META: {"outcome": text, "rounds": text}}),
        CallToolResult(content=[], structured_content={text: [text]}, is_error=True),
        CallToolResult(content=content[:1], structured_content=[text], _meta={APPROVAL_META: {"outcome": "approved"}}),
    ):
        yield from (word_for(result), rounds_of(result), images_of(result), links_of(result))
        yield from (result_sections(result, revealed=revealed) for revealed in (False, True))


def everything_of_a_text(text):
    yield from (one_line(text), one_line(text, exact=True), block(text), identifier(text), plain(text))
    yield from (masked_text(text), masked_block(f"token=abcdefgh {text}"))
    yield from (remark_on_name(text), remarks_on_value({text: f"https://{text}@a{text}b/ {text}@{text}"}))


def everything_of_a_value(text):
    value = {text: [text, {text: text}]}
    yield from (show_value(text, text), show_value(text, value), full_arguments(value), argument_rows(value))
    yield diff_sections({text: text, "b": text + "." * 100}, {text: f"{text}.", "b": "." * 100 + text, "c": value})
    yield dict.fromkeys(map(identifier, same_looking([text, f"{text}1"])))


@pytest.mark.parametrize("part", range(4))
def test_no_acting_code_point_of_any_field_comes_out_raw(question, part):
    texts = ["a".join(chunk) for chunk in chunks(POINTS)[part::4]]
    arguments = ["a".join(chunk) for chunk in chunks(CARRIED)[part::4]]

    for number, text in enumerate(texts):
        argument = arguments[number % len(arguments)]
        assert_inert(*everything_of_a_text(text), *everything_of_a_request(question, text, argument))
        assert_inert(*everything_of_a_value(argument), *everything_of_a_result(argument))


@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "surrogate"])
def test_no_attack_in_any_field_comes_out_raw(question, name):
    text = HOSTILE[name][:5000]

    assert_inert(*everything_of_a_text(text), *everything_of_a_request(question, text, text))
    assert_inert(*everything_of_a_value(text), *everything_of_a_result(text))


@pytest.mark.parametrize("name", MARKUP)
def test_markup_of_every_renderer_stays_literal_text(question, name):
    text = HOSTILE[name]
    request = question(arguments={"note": text}, prompt_hint=text, reason=text)
    result = CallToolResult(content=[TextContent(type="text", text=text)])

    card = text_of(lay_out(build_card(request), 110))

    assert f"| {text}" in card
    assert f'"{text}"' in card
    assert f"note  {json.dumps(text)}" in card
    assert text in text_of(lay_out_sections(result_sections(result), 110))

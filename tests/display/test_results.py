"""Results: text, structured content, pictures, sounds, resources and links, as inert and bounded text."""

import base64
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
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

from allowly_harness.display.layout import lay_out_sections, text_of
from allowly_harness.display.pictures import decoded_size, picture_facts
from allowly_harness.display.results import MAX_RESULT_BLOCKS, images_of, links_of, result_sections, rounds_of
from allowly_harness.protocol.models import APPROVAL_META, ApprovalOutcome

TOKEN = "ghp_" + "a1B2" * 9


def png(width=3, height=2):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + b"\0\0\0" * width for _ in range(height)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def jpeg(width, height, before=b""):
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\x00"
    return b"\xff\xd8\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + b"\0" * 9 + before + frame


GIF = b"GIF89a" + struct.pack("<HH", 7, 5)
WEBP_LOSSY = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0" + b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", 9, 4)
WEBP_LOSSLESS = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0" + b"\x2f" + struct.pack("<I", (9 - 1) | (4 - 1) << 14)
WEBP_EXTENDED = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0" + b"\0\0\0\0" + b"\x08\0\0" + b"\x03\0\0"


def b64(data):
    return base64.b64encode(data).decode()


def text(value):
    return TextContent(type="text", text=value)


def drawn(*content, revealed=False, **fields):
    return text_of(
        lay_out_sections(result_sections(CallToolResult(content=list(content), **fields), revealed=revealed), 110)
    )


def approved(outcome="approved", **more):
    return {"_meta": {APPROVAL_META: {"outcome": outcome, **more}}}


def test_text_is_quoted_as_the_servers_words():
    assert drawn(text("one\ntwo")) == "RESULT  (the server's words)\n  | one\n  | two"


def test_the_outcome_and_the_number_of_questions_stand_above_the_result():
    shown = drawn(text("done"), **approved(rounds=2))

    assert shown == "  approval  approved  (2 questions)\n\nRESULT  (the server's words)\n  | done"


def test_what_did_not_come_from_the_tool_is_said_to_be_ours():
    shown = drawn(text("no"), is_error=True, **approved(ApprovalOutcome.DENIED_BY_PERSON, rounds=1))

    assert "  approval  DENIED by a person  (1 question)" in shown
    assert "RESULT  (from allowly-harness, not from the server)" in shown


@pytest.mark.parametrize("rounds", [None, "2", -1, True, 1.5])
def test_a_number_of_questions_that_is_none_is_not_believed(rounds):
    assert rounds_of(CallToolResult(content=[], **approved(rounds=rounds))) is None


def test_secrets_of_a_result_are_masked_and_counted_until_they_are_revealed():
    shown = drawn(text(f"a\n{TOKEN} b"), structured_content={"password": "hunter2hunter2"})

    assert "RESULT  (the server's words)  2 secrets masked" in shown
    assert "ghp_" not in shown
    assert "hunter2" not in shown
    assert TOKEN in drawn(text(TOKEN), revealed=True)


def test_structured_content_is_shown_as_json_beside_text_that_says_something_else():
    assert drawn(text("2 found"), structured_content={"ids": [1, 2]}).endswith(
        '  | 2 found\n  | structured content:\n  | {\n  |   "ids": [1, 2]\n  | }'
    )


@pytest.mark.parametrize(
    ("said", "structured"),
    [('{"ids": [1, 2]}', {"ids": [1, 2]}), ("plain", {"result": "plain"}), ("[1, 2]", {"result": [1, 2]})],
)
def test_structured_content_that_the_text_repeats_is_shown_once(said, structured):
    assert "structured content" not in drawn(text(said), structured_content=structured)


def test_an_empty_result_says_so():
    assert drawn().endswith("  | (empty)")


@pytest.mark.parametrize(
    ("data", "name", "size"),
    [
        (png(3, 2), "png", (3, 2)),
        (jpeg(640, 480), "jpeg", (640, 480)),
        (jpeg(640, 480, before=b"\xff\xe1" + struct.pack(">H", 30_000) + b"\0" * 29_998), "jpeg", (640, 480)),
        (jpeg(640, 480)[:20], "jpeg", (None, None)),
        (GIF, "gif", (7, 5)),
        (WEBP_LOSSY, "webp", (9, 4)),
        (WEBP_LOSSLESS, "webp", (9, 4)),
        (WEBP_EXTENDED, "webp", (9, 4)),
        (b"\x89PNG\r\n\x1a\nxxxxIEND", "png", (None, None)),
        (b"<svg/>", "", (None, None)),
    ],
)
def test_a_pictures_format_and_size_are_read_from_its_first_bytes(data, name, size):
    facts = picture_facts(b64(data))

    assert facts.format == name
    assert (facts.width, facts.height) == size


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", png()[:16], jpeg(1, 1)[:24], GIF[:6], WEBP_LOSSY[:20], WEBP_LOSSLESS[:20]]),
)
def test_a_broken_picture_is_measured_without_an_error(data, start):
    encoded = b64(start + data)

    assert decoded_size(encoded) == len(start + data)
    picture_facts(encoded)
    picture_facts(encoded[:-1])


@given(st.text(max_size=40))
def test_text_that_is_no_base64_has_no_size(data):
    size = decoded_size(data)

    try:
        expected = len(base64.b64decode(data.replace("\n", "").replace("\r", ""), validate=True))
    except ValueError:
        expected = None
    assert size == expected


def test_a_picture_is_named_and_measured_and_handed_over_for_drawing():
    data = png(3, 2)
    content = [text("look"), ImageContent(type="image", data=b64(data), mime_type="image/png")]

    (image,) = images_of(CallToolResult(content=content))

    assert (image.number, image.format, image.size, image.width, image.height) == (2, "png", len(data), 3, 2)
    assert base64.b64decode(image.data) == data
    assert f"| [image image/png, {len(data)} bytes, 3 x 2 pixels]" in drawn(*content)


def test_a_picture_that_lies_about_its_format_is_told():
    assert "image/png, 10 bytes, 7 x 5 pixels, really gif]" in drawn(
        ImageContent(type="image", data=b64(GIF), mime_type="image/png")
    )
    assert "characters that are no base64" in drawn(ImageContent(type="image", data="%%%", mime_type="image/png"))


def test_sounds_and_resources_are_named_and_measured():
    shown = drawn(
        AudioContent(type="audio", data=b64(b"12345"), mime_type="audio/wav"),
        EmbeddedResource(type="resource", resource=TextResourceContents(uri="file:///a.txt", text="in it")),
        EmbeddedResource(
            type="resource", resource=BlobResourceContents(uri="file:///a.png", blob=b64(GIF), mime_type="image/gif")
        ),
    )

    assert "  | [audio audio/wav, 5 bytes]" in shown
    assert "  | [resource file:///a.txt]\n  | in it" in shown
    assert "  | [resource file:///a.png image/gif, 10 bytes, 7 x 5 pixels]" in shown


def test_links_are_listed_with_the_address_as_it_came_for_reading():
    raw = "https://user:secretpass@h.example/\u202etxt"
    link = ResourceLink(type="resource_link", name="report\x1b[2J", uri=raw, size=1234)

    (found,) = links_of(CallToolResult(content=[link]))

    assert found.raw_uri == raw
    assert found.uri.text == "https://user:<10 characters masked>@h.example/\\u{202e}txt"
    assert found.name.text == "report\\x1b[2J"
    assert "1,234 bytes by its own account]" in drawn(link).replace("\n  | ", " ")


def test_a_result_of_very_many_lines_and_blocks_is_bounded_and_says_so():
    shown = drawn(*[text("x\n" * 3000) for _ in range(MAX_RESULT_BLOCKS + 5)])

    assert len(shown.splitlines()) < 2_200
    assert "more lines" in shown
    assert shown.endswith("... 5 more blocks")


def test_structured_content_of_very_many_lines_is_bounded_and_says_so():
    shown = drawn(structured_content={f"k{number}": "v" for number in range(5000)})

    assert len(shown.splitlines()) < 2_010
    assert shown.endswith("... 3,002 more lines")


def test_structured_content_that_has_no_json_form_is_told():
    assert "(structured content that cannot be shown: " in drawn(structured_content={"x": float("nan")})


@pytest.mark.parametrize("thing", [None, object(), 5])
def test_what_is_no_result_at_all_is_shown_as_empty(thing):
    assert text_of(lay_out_sections(result_sections(thing), 80)).endswith("(empty)")

"""The page draws hostile text as the terminal does, which is compared in the browser, and is nobody else's to use."""

from __future__ import annotations

import asyncio
import sys
import unicodedata
from collections.abc import AsyncIterator
from typing import Any

import pytest

from allowly_authority.binding import canonical_json
from allowly_harness.display.sanitize import Shown, identifier, is_hidden, one_line
from allowly_harness.display.values import argument_rows

pytestmark = pytest.mark.anyio

LINES = (
    "",
    "plain",
    "tab\tline\nreturn\r\n",
    "\x1b]52;c;cm0=\x07 press a",
    "\x9b31m\x7f\x00",
    "see \u202eevil\u2066 and \u200b\ufeff",
    "nothing\u2800here\u3164\u00a0\u2003",
    "e" + "\u0301" * 9 + "x",
    "\u0301start \u0302 after a space",
    "\u202e\u0301after an escape",
    "\U000e0041\U000e0042 tags",
    "שלום עולם",
    "مرحبا abc",
    "日本語 👩‍👩‍👧 ⚠️",
    "private \ue000\ue001\ue002 use",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "a" * 2100,
    "é" * 2100,
)
NAMES = ("", "send_email", "r\u0435port", "a b|c\\d", "x" * 200, "<b>", "\uff46\uff55ll", "\u202ename")
SECRET = "sk-live-" + "a1b2c3d4" * 4
VALUES: tuple[dict[str, Any], ...] = (
    {},
    {"amount": 120.5, "big": 12345678901234567890, "small": 1e-7, "yes": True, "none": None},
    {"text": "first\nsecond \u202e\nthird", "spaces": "a" + " " * 40 + "b", "ends": "x\n"},
    {"deep": {"list": [1, 2, [3, None, True]], "rows": [{"a": "b"}, {}], "empty": []}},
    {"api_key": "hunter2", "token": 123456, "accessToken": "x", "password": "", "note": "token=abcdef and more"},
    {
        "header": f"Bearer {SECRET}",
        "url": "https://ada:hunter22@example.com/x",
        "key": SECRET,
        "long_secret": "s" * 300,
    },
    {"nested": {"password": {"a": [1, "b"]}, "credentials": ["x", "y"]}},
    {"control": "\x00\x08\x0c\x1f\x7f\x85", "quote": '"\\/', "surrogates": "😀\ue000", "marks": "e" + "\u0301" * 8},
    {"pem": "-----BEGIN PRIVATE KEY-----\nMIIBVQ==\n-----END PRIVATE KEY-----", "log": "a\npassword: hunter22\nb"},
    {"\u202ename": 1, "zé": 2, "\U0001f600": 3, "sp ace": " "},
    {"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": {"i": {"j": "deep\nlines"}}}}}}}}}},
)

RUN = """async ([lines, names, values]) => {
    const text = await import('/inbox/assets/text.js');
    const { JsonWriter, parse } = await import('/inbox/assets/jsontext.js');
    const spans = (line) => line.spans.map((span) => [span.text, span.altered]);
    const told = (line) => [spans(line), line.hidden, line.cut, line.rightToLeft];
    const rows = (canonical, options) => {
        const writer = new JsonWriter(options);
        writer.write(parse(canonical), false);
        return writer.lines.map(({ indent, hang, line }) => [indent, hang, spans(line)]);
    };
    const ways = [{}, { revealed: true }, { asciiOnly: true }];
    return {
        lines: lines.map((line) => told(text.oneLine(line))),
        exact: lines.map((line) => told(text.oneLine(line, { exact: true }))),
        names: names.map((name) => told(text.identifier(name))),
        values: values.map((value) => ways.map((way) => rows(value, way))),
    };
}"""

HIDDEN = """async () => {
    const { isHidden } = await import('/inbox/assets/text.js');
    const ranges = [];
    for (let code = 0; code <= 0x10ffff; code += 1) {
        if (code >= 0xd800 && code <= 0xdfff) continue;
        if (!isHidden(String.fromCodePoint(code))) continue;
        const last = ranges.at(-1);
        if (last !== undefined && last[1] === code - 1) last[1] = code;
        else ranges.push([code, code]);
    }
    return ranges;
}"""


def merged(shown: Shown) -> list[list[Any]]:
    """Return spans as they look: neighbours of one kind are one."""
    whole: list[list[Any]] = []
    for text, altered in shown.spans:
        if whole and whole[-1][1] == altered:
            whole[-1][0] += text
        elif text:
            whole.append([text, altered])
    return whole


def told(shown: Shown) -> list[Any]:
    return [merged(shown), shown.hidden, shown.cut, shown.right_to_left]


def rows(value: dict[str, Any], **options: bool) -> list[Any]:
    return [[row.indent, row.hang, merged(row.value)] for row in argument_rows(value, **options)]


@pytest.fixture
async def page(world, visit):
    visitor = await visit()
    await visitor.page.goto(world.url)
    return visitor.page


async def test_lines_names_and_arguments_are_drawn_as_in_the_terminal(page):
    """G8, A3, A4: the same text, the same escapes, the same masks, span for span."""
    given = [list(LINES), list(NAMES), [canonical_json(value) for value in VALUES]]

    drawn = await page.evaluate(RUN, given)

    assert drawn["lines"] == [told(one_line(line)) for line in LINES]
    assert drawn["exact"] == [told(one_line(line, exact=True)) for line in LINES]
    assert drawn["names"] == [told(identifier(name)) for name in NAMES]
    for value, found in zip(VALUES, drawn["values"], strict=True):
        assert found == [rows(value), rows(value, revealed=True), rows(value, ascii_only=True)], value


async def test_every_character_is_hidden_or_shown_as_in_the_terminal(page):
    """Of 1.1 million code points they differ in those alone that only the browser's Unicode has assigned."""
    ranges = await page.evaluate(HIDDEN)

    hidden = {code for first, last in ranges for code in range(first, last + 1)}
    ours = {code for code in range(sys.maxunicode + 1) if not 0xD800 <= code <= 0xDFFF and is_hidden(chr(code))}
    assert hidden - ours == set()
    assert {unicodedata.category(chr(code)) for code in ours - hidden} <= {"Cn"}


async def test_what_is_no_canonical_json_is_not_drawn(page):
    broken = [
        "",
        "{",
        '{"a":1,"a":2}',
        "[1 ,2]",
        '{"a":01}',
        "{'a':1}",
        '{"a":1}x',
        "NaN",
        "[" * 70 + "]" * 70,
        '{"a":"\n"}',
    ]

    refused = await page.evaluate(
        """async (texts) => {
            const { parse } = await import('/inbox/assets/jsontext.js');
            const refuses = (text) => { try { parse(text); return ''; } catch (error) { return error.name; } };
            return texts.map(refuses);
        }""",
        broken,
    )

    assert refused == ["SyntaxError"] * len(broken)


HOSTILE = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>\u202e${window.hurt=1}'


async def test_a_script_in_any_text_is_shown_and_does_not_run(world, visit):
    """G8: names, users, agents, arguments, servers and notes are text, whatever stands in them."""
    arguments = {HOSTILE: HOSTILE, "list": [HOSTILE, {HOSTILE: HOSTILE}]}
    asked = await world.ask(arguments, tool="transfer" + HOSTILE, user=HOSTILE, agent=HOSTILE, server=HOSTILE[:90])
    ada = await world.key("ada", addresses=("compliance",))
    visitor = await visit(key=ada)
    await visitor.open()
    drawn = await visitor.page.locator("#card-facts").inner_text()

    await world.send(
        "POST", f"/v1/escalations/{asked}/resolve", {"resolution": "rejected", "resolved_by": HOSTILE, "note": HOSTILE}
    )

    await visitor.page.locator("#card-outcome p").first.wait_for()
    assert drawn.count("onerror") >= 6
    assert "\u202e" not in await visitor.page.locator("body").inner_text()
    assert await visitor.page.locator("main img, main script, main iframe").count() == 0
    assert await visitor.page.evaluate("window.hurt") is None


@pytest.fixture
async def neighbour(world) -> AsyncIterator[str]:
    """Another server on this computer, whose page frames ours.

    For the browser it is of the same site, so that it is sent even strict cookies.
    """
    body = f'<iframe src="{world.url}"></iframe>'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write((head + body).encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def test_the_page_cannot_be_framed(visit, neighbour):
    """Clickjacking: another page shows ours under a picture of its own."""
    visitor = await visit()

    await visitor.page.goto(neighbour)

    framed = visitor.page.frames[1]
    assert (framed.url, await framed.locator("#sign-in").count()) == ("chrome-error://chromewebdata/", 0)


async def test_another_site_cannot_act_in_the_name_of_who_is_signed_in(world, visit, neighbour):
    """CSRF, with the real cookie of a real browser."""
    asked = await world.ask(show=False)
    ada = await world.key("ada", addresses=("compliance",))
    visitor = await visit(key=ada)
    other = await visitor.context.new_page()
    await other.goto(neighbour)

    replies = await other.evaluate(
        """async ([url, id]) => {
            const target = `${url}/escalations/${id}/resolve`;
            const body = JSON.stringify({ resolution: 'approved' });
            const own = { 'Content-Type': 'application/json', 'X-Inbox-Token': 'x' };
            const tries = [
                [target, { method: 'POST', mode: 'no-cors', credentials: 'include', body }],
                [target, { method: 'POST', credentials: 'include', headers: own, body }],
                [`${url}/session`, { credentials: 'include' }],
            ];
            const outcome = ([to, options]) => fetch(to, options).then((reply) => reply.type, () => 'blocked');
            return Promise.all(tries.map(outcome));
        }""",
        [world.url, asked],
    )

    # What is opaque was sent, and cannot be read.
    assert set(replies) <= {"blocked", "opaque"}
    assert replies[1:] == ["blocked", "blocked"]
    assert (await world.status(asked))["status"] == "pending"

"""What is on the screen reads back to exactly the arguments that are sent (G2, G8).

The reader below knows the layout and JSON, and nothing of the program. It reads plain text as a
terminal shows it: without styles, and without the spaces at the end of a line.
"""

import json
import re
from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_authority.binding import canonical_json
from allowly_harness.display.card import build_card, full_view
from allowly_harness.display.layout import lay_out, lay_out_sections, text_of

WIDTHS = [40, 60, 80, 110]

TRICKS = [
    *(
        "\\u{202e}",
        "\\x1b",
        "\\{40 spaces}",
        "<5 characters masked>",
        "\\",
        "\\\\",
        '"',
        '",\n  "to": "eve"',
        "\\n",
        "\\u0041",
    ),
    *(
        "  <- note",
        "  (note)",
        "| ",
        "    to  ",
        "\u202e",
        "\x1b[2J",
        "\r",
        "\n",
        "\n\n",
        "\t",
        "\u2028",
        "\ue000",
        "\x7f",
    ),
    *(
        " ",
        "  ",
        " " * 16,
        " " * 17,
        " " * 60,
        "Z" + "\u0301" * 9,
        "\u0301",
        "\u25cc\u0301",
        "\u05e9\u05dc",
        "\u4e2d\u6587",
    ),
    *(
        "\U0001f469\u200d\U0001f4bb",
        "e\u0301",
        "word",
        "a-rather-long-word-of-many-letters-without-any-space-in-it",
        "{",
        "}",
        "[",
    ),
]
TEXTS = st.lists(st.sampled_from(TRICKS) | st.text(max_size=8), max_size=12).map("".join)
NAMES = (
    st.sampled_from(["to", "tool", "a b", "|", "", "\u0430", "x" * 128, "x" * 50, "code", "=", "... 3 more arguments"])
    | TEXTS
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
DEEP = st.integers(9, 30).flatmap(lambda depth: TEXTS.map(lambda text: _nested(text, depth)))
ARGUMENTS = st.dictionaries(NAMES, VALUES | DEEP, max_size=5)

ESCAPE = re.compile(r"\\(?:u\{([0-9a-f]+)\}|x([0-9a-f]{2})|\{([0-9,]+) spaces\}|(.))", re.DOTALL)


def _nested(text, depth):
    value = text
    for level in range(depth):
        value = [value, 1] if level % 2 else {"k": value}
    return value


def as_json(text):
    """Turn what is drawn into JSON: our three escapes are none of JSON's."""

    def written(match):
        code, byte, spaces, other = match.groups()
        if other:
            return match[0]
        return json.dumps(" " * int(spaces.replace(",", "")) if spaces else chr(int(code or byte, 16)))[1:-1]

    return json.loads(ESCAPE.sub(written, text))


class Reader:
    """Joins lines to one JSON value; inside a string a line goes on at a known column."""

    def __init__(self):
        self.text, self.depth, self.inside, self.done = "", 0, False, False

    def feed(self, piece):
        """Take a piece of a line and return what of it stands behind the value."""
        at = 0
        while at < len(piece):
            if self.done or (self._bare() and piece[at] in " ,]}"):
                return piece[at:]
            self._step(piece[at])
            at += 1
        return ""

    def _bare(self):
        return bool(self.text) and not self.depth and self.text[0] not in '"[{'

    def _step(self, character):
        self.text += character
        if self.inside:
            quote = character == '"' and (len(self.text) - len(self.text[:-1].rstrip("\\")) - 1) % 2 == 0
            self.inside = not quote
        elif character == '"':
            self.inside = True
        else:
            self.depth += (character in "[{") - (character in "]}")
        self.done = not self.inside and not self.depth and not self._bare()


def read_full_view(text, heading):
    lines = iter(text.split("\n"))
    next(line for line in lines if line.startswith(heading))
    reader = Reader()
    for line in takewhile(bool, lines):
        skipped = 2 + (min(2 * reader.depth, 16) + 2 if reader.inside else 0)
        assert not line[:skipped].strip()
        assert not reader.feed(line[skipped:] if reader.inside else line.strip())
    return as_json(reader.text)


def read_card(text):
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("WILL BE SENT"))
    first = next(number for number in range(start, len(lines)) if lines[number].startswith("  tool"))
    rest = list(takewhile(bool, lines[first + 1 :]))
    while (rest and not rest[0].startswith("    ")) or (rest and rest[0].startswith("        ")):
        rest.pop(0)  # the rest of a long tool name, or of its note
    arguments = {}
    while rest and rest[0].strip() != "(no arguments)":
        name, value = read_argument(rest)
        assert name not in arguments
        arguments[name] = value
    return arguments


def read_argument(rest):
    label, gap, value = re.fullmatch(r"    ((?:\(no name\)|\S)+?)(?:(  +)(.*))?", rest.pop(0)).groups()
    reader = Reader()
    if value and value[0] not in "<(":
        column = 4 + len(label) + len(gap)
        reader.feed(value)
    else:
        while rest[0].startswith("        "):  # a label of more than one line; it holds no space
            label += rest.pop(0).split()[0]
        column = 6
    while rest and not reader.done and not re.match(r"    \S", rest[0].replace("    | ", "      ", 1)):
        line = rest[0].replace("    | ", "      ", 1) if rest[0].startswith("    | ") else rest[0]
        assert not line[:column].strip()
        if reader._bare() and line[column] in "<(":
            break
        reader.feed(line[column:])
        rest.pop(0)
    while rest and not re.match(r"    \S", rest[0]):  # notes
        rest.pop(0)
    return "" if label == "(no name)" else _name(label), as_json(reader.text)


def _name(label):
    label = label.replace("\\n", "\\x0a").replace("\\t", "\\x09")  # a name's own backslash is drawn as \x5c
    return re.sub(r"\\(?:u\{([0-9a-f]+)\}|x([0-9a-f]{2}))", lambda match: chr(int(match[1] or match[2], 16)), label)


@pytest.mark.parametrize("width", WIDTHS)
@given(arguments=ARGUMENTS)
def test_the_full_view_reads_back_as_the_arguments_that_are_sent(question, width, arguments):
    request = question(arguments=arguments)

    text = text_of(lay_out_sections(full_view(request, revealed=True), width))

    assert canonical_json(read_full_view(text, "ALL ARGUMENTS")) == request.call.canonical
    if not request.call.canonical.isascii():
        assert canonical_json(read_full_view(text, "THE SAME IN ASCII")) == request.call.canonical


@pytest.mark.parametrize("width", WIDTHS)
@given(arguments=ARGUMENTS)
def test_a_card_that_folds_nothing_reads_back_as_the_arguments_that_are_sent(question, width, arguments):
    request = question(arguments=arguments)
    card = build_card(request, revealed=True)

    text = text_of(lay_out(card, width))

    if not card.folded:
        assert canonical_json(read_card(text)) == request.call.canonical


@pytest.mark.parametrize("width", WIDTHS)
@given(text=TEXTS)
def test_no_line_of_the_arguments_but_their_last_ends_in_a_space(question, width, text):
    request = question(arguments={"body": text * 5})

    lines = lay_out_sections(full_view(request, revealed=True)[:1], width)

    assert not any("".join(piece.text for piece in line).endswith(" ") for line in lines)

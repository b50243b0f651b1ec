"""G7: a screen, the page of approvers and a log find the same keys, which `tests/vectors/secrets.json` lists."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

import allowly_authority
from allowly_authority.key_shapes import KEY_SHAPES, KeyShape
from allowly_harness.display.secrets import secret_ranges as masked_ranges
from allowly_middleware.observability.secrets import secret_ranges as redacted_ranges

VECTORS = Path(__file__).parents[1] / "vectors"
PAGE = Path(allowly_authority.__file__).parent / "web" / "page" / "assets" / "secrets.js"


def _cases() -> Any:
    spec = importlib.util.spec_from_file_location("secret_cases", VECTORS / "secret_cases.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _cases()


@pytest.mark.parametrize("before", ["", "see ", "x=", "\n", '{"a": "', "é "])
@pytest.mark.parametrize("find", [masked_ranges, redacted_ranges], ids=["screen", "log"])
def test_every_reader_finds_every_key_whole(find, before: str) -> None:
    for name, pieces in CASES.KEYS.items():
        key = "".join(pieces)

        found = find(f"{before}{key} <and so on>")

        assert any(start <= len(before) and len(before) + len(key) <= end for start, end in found), name


@pytest.mark.parametrize("find", [masked_ranges, redacted_ranges], ids=["screen", "log"])
def test_every_reader_finds_a_secret_by_what_stands_before_it(find) -> None:
    for name, (before, secret, behind) in CASES.CARRIED.items():
        assert find(before + secret + behind) == ((len(before), len(before) + len(secret)),), name


@pytest.mark.parametrize("name", CASES.WEB_TOKENS)
def test_a_screen_masks_a_web_token_from_its_header_to_its_signature(name: str) -> None:
    before, token, behind = CASES.WEB_TOKENS[name]

    found = masked_ranges(before + token + behind)

    assert found == (((len(before), len(before) + len(token)),) if token else ())


@pytest.mark.parametrize(
    ("header", "payload", "signature", "masked"),
    [(2000, 4000, 1000, True), (2001, 8, 8, False), (8, 4001, 8, False), (8, 8, 1001, True)],
)
def test_no_part_of_a_web_token_hides_more_than_such_parts_hold(
    header: int, payload: int, signature: int, masked: bool
) -> None:
    text = f"eyJ{'h' * header}.{'p' * payload}.{'s' * signature}"

    found = masked_ranges(text)

    assert found == (((0, 3 + header + 1 + payload + 1 + min(signature, 1000)),) if masked else ())


def test_only_a_log_leaves_out_what_a_person_must_be_able_to_read() -> None:
    for name, pieces in CASES.IN_LOGS.items():
        text = "".join(pieces)

        assert masked_ranges(text) == (), name
        assert redacted_ranges(text) == ((0, len(text)),), name


@pytest.mark.parametrize("text", CASES.HARMLESS)
def test_no_reader_touches_ordinary_text(text: str) -> None:
    assert masked_ranges(text) == ()
    assert tuple(redacted_ranges(text)) == ()


@pytest.mark.parametrize("shape", KEY_SHAPES, ids=lambda shape: shape.prefix)
def test_every_shape_has_a_vector(shape: KeyShape) -> None:
    pattern = re.compile(shape.pattern(bounded=True))

    assert any(pattern.fullmatch("".join(pieces)) for pieces in CASES.KEYS.values())


def test_a_mask_on_a_screen_ends_where_no_key_goes_on() -> None:
    """Behind a mask without an end, an action could hide."""
    for shape in KEY_SHAPES:
        sample = next("".join(p) for p in CASES.KEYS.values() if re.fullmatch(shape.pattern(bounded=True), "".join(p)))

        text = sample + sample[-1] * 5000

        assert sum(end - start for start, end in masked_ranges(text)) <= 600, shape.prefix


def test_the_page_repeats_the_table() -> None:
    listed = re.search(r"const KEYS = \[\n(.*?)\n\];", PAGE.read_text("utf-8"), re.DOTALL)[1]
    patterns = [re.fullmatch(r"  /(.*)/g,", line)[1].replace("\\/", "/") for line in listed.splitlines()]

    assert patterns[: len(KEY_SHAPES)] == [shape.pattern(bounded=True) for shape in KEY_SHAPES]


def test_what_the_vectors_say_is_what_both_readers_in_python_do() -> None:
    vectors = json.loads((VECTORS / "secrets.json").read_text("utf-8"))

    for vector in vectors:
        text = "".join(vector["pieces"])
        assert [list(span) for span in masked_ranges(text)] == vector["masked"], vector["name"]
        assert [list(span) for span in redacted_ranges(text)] == vector["redacted"], vector["name"]
    assert len(vectors) > 90

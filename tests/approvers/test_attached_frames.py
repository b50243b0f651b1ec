"""Frames: strict, bounded, and never quoted in an error (G6, G9)."""

import asyncio

import pytest

from allowly_harness.approvers.attached import frames
from allowly_harness.approvers.attached.frames import (
    MAX_FRAME_BYTES,
    MAX_FRAME_DEPTH,
    WireError,
    decode,
    encode,
    framed,
    read_frame,
)
from allowly_harness.approvers.attached.messages import (
    PROTOCOL,
    VERSION,
    Hello,
    read_from_agent,
    read_from_terminal,
    read_hello,
    written,
)

pytestmark = pytest.mark.anyio


def nested(depth: int) -> dict:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return {"a": value}


def reader_of(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"secret"',
        b"{",
        b'{"a":1}{"a":1}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        '{"a":1}'.encode("utf-16"),
        pytest.param(b"[" * 100_000, id="brackets"),
        pytest.param(b'{"a":' * 100_000, id="braces"),
        pytest.param(b'{"a":' + b"9" * 5_000 + b"}", id="digits"),
    ],
)
def test_what_is_not_one_object_with_one_meaning_is_refused(body):
    with pytest.raises(WireError) as refused:
        decode(body)
    assert "secret" not in str(refused.value)
    assert refused.value.__context__ is None


def test_nesting_has_a_limit_both_ways():
    assert decode(encode(nested(MAX_FRAME_DEPTH - 1)))

    with pytest.raises(WireError, match="deeper"):
        encode(nested(MAX_FRAME_DEPTH))
    with pytest.raises(WireError, match="deeper"):
        decode(b'{"a":' + b"[" * MAX_FRAME_DEPTH + b"]" * MAX_FRAME_DEPTH + b"}")


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: 2}, {1, 2}, b"bytes", object(), pytest.param(10**5_000, id="5,000 digits")],
)
def test_what_json_cannot_carry_is_not_sent(value):
    with pytest.raises(WireError):
        encode({"a": value})


def test_half_a_character_arrives_as_it_was_sent():
    assert decode(encode({"a": "\ud83d|\ude00|\ud83d\ude00"})) == {"a": "\ud83d|\ude00|\ud83d\ude00"}


def test_a_frame_too_long_to_be_sent_is_refused(monkeypatch):
    monkeypatch.setattr(frames, "MAX_FRAME_BYTES", 10)

    with pytest.raises(WireError, match="more than the limit"):
        encode({"a": "0123456789"})


async def test_frames_are_read_one_after_the_other():
    reader = reader_of(framed(encode({"a": 1})) + framed(encode({"b": 2})))

    assert [await read_frame(reader), await read_frame(reader)] == [{"a": 1}, {"b": 2}]
    with pytest.raises(EOFError):
        await read_frame(reader)


async def test_a_frame_that_claims_to_be_too_long_is_not_waited_for():
    with pytest.raises(WireError, match="longer than the limit"):
        await read_frame(reader_of((MAX_FRAME_BYTES + 1).to_bytes(4)))
    with pytest.raises(WireError, match="longer than the limit"):
        await read_frame(reader_of(framed(encode({"a": "x" * 100}))), limit=50)


async def test_a_frame_cut_short_is_the_end():
    with pytest.raises(EOFError):
        await read_frame(reader_of(framed(encode({"a": 1}))[:-1]))


def hello(**members: object) -> dict:
    return decode(written(Hello("ada", "pts/7"))) | members


def test_a_greeting_is_read_whatever_else_another_program_of_this_version_adds():
    assert read_hello(hello(more=1)) == Hello("ada", "pts/7")


@pytest.mark.parametrize("version", [VERSION + 1, 0, "1", True, 1.0, None])
def test_another_version_is_told_which_one_is_spoken_here(version):
    with pytest.raises(WireError, match=r"allowly-harness 9\.9 and speaks another version.*use the same on both sides"):
        read_hello(hello(version=version, program="9.9"))


@pytest.mark.parametrize("members", [{"protocol": "http"}, {"type": "question"}, {"protocol": None}])
def test_another_protocol_is_named_as_such(members):
    with pytest.raises(WireError, match="speaks another protocol"):
        read_hello(hello(**members))


@pytest.mark.parametrize("members", [{"name": 1}, {"place": None}])
def test_who_does_not_say_who_they_are_is_refused(members):
    with pytest.raises(WireError, match="did not say who it is"):
        read_hello(hello(**members))


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "answer"},
        {"type": "said", "number": 1},
        {"type": "said", "number": 0, "seal": "", "said": {}},
        {"type": "wish", "number": 1, "what": "approve"},
        {"type": "wish", "number": 1, "what": "check", "more": 1},
        {"type": "question", "number": 1, "request": {}, "status": None},
        {"type": PROTOCOL},
    ],
)
def test_what_no_terminal_and_no_agent_says_is_refused(message):
    with pytest.raises(WireError):
        read_from_terminal(message)
    with pytest.raises(WireError):
        read_from_agent(message)

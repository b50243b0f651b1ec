"""Limits as people write them."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allowly_middleware.limits import LimitError, by_subject_and_tool, parse_limit
from allowly_middleware.limits.rates import Rate

MINUTE = 60


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("30 per minute", Rate.window(30, 60)),
        ("1 per second", Rate.window(1, 1)),
        ("5 per 10 seconds", Rate.window(5, 10)),
        ("  5   PER 2 Hours ", Rate.window(5, 7200)),
        ("10_000 per day", Rate.window(10_000, 86_400)),
        ("3 per week", Rate.window(3, 604_800)),
        ("100 per hour, burst 20", Rate.bucket(100, 3600, 20)),
        ("100 per hour burst 20", Rate.bucket(100, 3600, 20)),
    ],
)
def test_a_limit_reads_as_it_is_written(text: str, rate: Rate) -> None:
    assert parse_limit(text).rate == rate


@given(
    calls=st.integers(1, 10_000),
    seconds=st.sampled_from([1, 7, 60, 120, 3600, 86_400, 604_800]),
    burst=st.none() | st.integers(1, 1000),
)
def test_a_rate_is_written_as_it_is_read(calls: int, seconds: int, burst: int | None) -> None:
    rate = Rate.window(calls, seconds) if burst is None else Rate.bucket(calls, seconds, burst)

    assert parse_limit(str(rate)).rate == rate


def test_the_text_may_say_whom_it_counts(call) -> None:
    limit = parse_limit("3 per day per tool", name="rule 7")
    everyone = parse_limit("3 per day, burst 5, for everyone")

    assert limit.charge(call("ada", "a")) != limit.charge(call("ada", "b"))
    assert everyone.charge(call("ada")) == everyone.charge(call("bob"))
    assert (limit.name, everyone.name) == ("rule 7", "3 per day, burst 5 for everyone")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "30 per minute"),
        ("30", "30 per minute"),
        ("30/min", "30 per minute"),
        ("-3 per minute", "30 per minute"),
        ("1.5 per minute", "30 per minute"),
        ("٣ per minute", "30 per minute"),
        ("3 per minute burst", "30 per minute"),
        ("3 per minute per subject", "30 per minute"),
        ("3 per minut", "did you mean 'minute'"),
        ("3 per month", "units are second, minute"),
        ("0 per minute", "max must be a whole number from 1 to 10,000"),
        ("20000 per day", "a token bucket counts further"),
        ("3 per 9 weeks", "per_seconds must be from"),
        ("3 per 0 seconds", "per_seconds must be from"),
        ("5 per minute, burst 0", "burst must be a whole number"),
        ("9" * 16 + " per minute", "whole number|30 per minute"),
        ("9" * 101, "30 per minute"),
    ],
)
def test_what_is_no_limit_is_refused_with_what_to_write_instead(text: str, message: str) -> None:
    with pytest.raises(LimitError, match=message) as raised:
        parse_limit(text)

    assert raised.value.text == text[:100]
    assert len(str(raised.value)) < 400


def test_whom_it_counts_is_said_once() -> None:
    with pytest.raises(LimitError, match="say it once"):
        parse_limit("3 per day per tool", key=by_subject_and_tool)


@given(st.text(max_size=120))
def test_any_other_text_is_a_limit_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(LimitError):
        assert parse_limit(text).rate.calls > 0

"""Deadlines: the clock that runs out first wins."""

from datetime import UTC, datetime, timedelta

import pytest

from allowly_harness.display.clock import Clock, Deadline, duration

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Hands:
    def __init__(self) -> None:
        self.wall = NOON
        self.monotonic = 100.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)


def test_a_wall_clock_that_is_set_back_does_not_lengthen_a_question():
    hands = Hands()
    deadline = Deadline(NOON + timedelta(seconds=60), hands.clock())

    hands.wall -= timedelta(hours=1)
    hands.monotonic += 60

    assert deadline.passed


def test_a_monotonic_clock_that_stood_still_does_not_lengthen_a_question():
    hands = Hands()
    deadline = Deadline(NOON + timedelta(seconds=60), hands.clock())

    hands.wall += timedelta(seconds=60)

    assert deadline.passed


def test_the_time_left_is_rounded_up():
    hands = Hands()
    deadline = Deadline(NOON + timedelta(seconds=60), hands.clock())

    hands.wall += timedelta(seconds=59.5)
    hands.monotonic += 59.5

    assert deadline.left == "00:01"
    assert not deadline.passed


@pytest.mark.parametrize(
    ("seconds", "written"), [(0, "00:00"), (41, "00:41"), (3599.5, "1:00:00"), (3723, "1:02:03"), (-5, "00:00")]
)
def test_durations_are_written_as_a_clock(seconds, written):
    assert duration(seconds) == written


def test_an_end_on_another_day_is_written_with_its_day():
    hands = Hands()

    assert ":" in Deadline(NOON + timedelta(hours=1), hands.clock()).local_time
    assert Deadline(NOON + timedelta(hours=24), hands.clock()).local_time.startswith("2026-11-2")

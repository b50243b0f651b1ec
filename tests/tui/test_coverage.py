"""Which lines were on the screen: a yes waits for all of them (G1)."""

from hypothesis import given
from hypothesis import strategies as st

from allowly_harness.tui.asking.coverage import Coverage


@given(st.integers(0, 60), st.lists(st.tuples(st.integers(-5, 70), st.integers(0, 30)), max_size=12))
def test_it_agrees_with_a_set_of_lines(count, shown):
    coverage, seen = Coverage(), set()
    coverage.restart(count)

    for first, height in shown:
        coverage.show(first, height)
        seen |= set(range(first, first + height)) & set(range(count))

    missing = set(range(count)) - seen
    assert coverage.missing == len(missing)
    assert coverage.complete is (count > 0 and not missing)
    assert coverage.first_missing == min(missing, default=count)


def test_a_jump_to_the_end_leaves_the_middle_unseen():
    coverage = Coverage()
    coverage.restart(100)

    coverage.show(0, 20)
    coverage.show(80, 20)

    assert (coverage.missing, coverage.first_missing) == (60, 20)


def test_a_new_layout_has_not_been_seen():
    coverage = Coverage()
    coverage.restart(10)
    coverage.show(0, 10)

    coverage.restart(12)

    assert not coverage.complete


def test_what_was_not_laid_out_was_not_seen():
    coverage = Coverage()
    coverage.show(0, 40)

    assert not coverage.complete

"""The lines that are kept over sessions: for their owner alone, and never a secret (G7)."""

import stat
import time

import pytest

from allowly_harness.chat.history import MAX_FILE_BYTES, MAX_JUDGED_CHARACTERS, PrivateHistory, may_be_secret


@pytest.fixture
def kept(tmp_path):
    return tmp_path / "state" / "history"


def lines_in(path) -> list[str]:
    return list(PrivateHistory(path).load_history_strings())


def test_lines_are_kept_newest_first_for_their_owner_alone(kept):
    history = PrivateHistory(kept)
    history.append_string("/tools")
    history.append_string('/call t {\n "a\\n": 1}')

    assert lines_in(kept) == ['/call t {\n "a\\n": 1}', "/tools"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line",
    [
        "/call t password=hunter2",
        "/call t apiKey:=1",
        '/call t {"token": "abc"}',
        "/call t text=sk-live-0123456789abcdefghij",
        "/call t header='Bearer abcdefghijklmnopqrst'",
    ],
)
def test_what_looks_like_a_secret_is_never_kept(kept, line):
    history = PrivateHistory(kept)
    history.append_string(line)

    assert may_be_secret(line)
    assert history.get_strings() == []
    assert not kept.exists()


def test_ordinary_arguments_are_no_secret():
    assert not may_be_secret('/call send_email to=ada {"subject": "the spinning token"}')


@pytest.mark.parametrize(
    "line",
    ["a" + " " * 15_000 + "b", "= " * 9_000, "a" * 19_000, "word " * 3_000, ": " * 9_000, "a" * 5_000_000],
    ids=["spaces", "equals", "letters", "words", "colons", "too long"],
)
def test_no_line_takes_long_to_judge(line):
    """Every line of the prompt is judged, pasted ones too (G6). The bound is far above what it takes."""
    started = time.process_time()

    may_be_secret(line)

    assert time.process_time() - started < 20


def test_a_line_too_long_to_be_judged_is_kept_nowhere(kept):
    history = PrivateHistory(kept)
    history.append_string("/call t a=" + "x" * MAX_JUDGED_CHARACTERS)

    assert history.get_strings() == []


def test_a_file_that_others_may_read_is_not_added_to(kept):
    kept.parent.mkdir()
    kept.write_text("/tools\n")
    kept.chmod(0o644)

    PrivateHistory(kept).append_string("/log")

    assert kept.read_text() == "/tools\n"


def test_a_link_is_neither_read_nor_followed(kept, tmp_path):
    kept.parent.mkdir()
    target = tmp_path / "elsewhere"
    target.write_text("secret\n")
    kept.symlink_to(target)
    PrivateHistory(kept).append_string("/log")

    assert lines_in(kept) == []
    assert target.read_text() == "secret\n"


def test_a_file_that_has_grown_too_large_is_shortened(kept):
    kept.parent.mkdir()
    kept.write_text("/call t a=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * (MAX_FILE_BYTES // 20))
    kept.chmod(0o600)

    PrivateHistory(kept).append_string("/last")

    assert kept.stat().st_size < MAX_FILE_BYTES
    assert lines_in(kept)[0] == "/last"

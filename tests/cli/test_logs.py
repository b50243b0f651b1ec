"""The program's own log: private, of bounded size, and inert even where a library quotes a server (G6, G7, G8)."""

import logging
import stat
from pathlib import Path

import pytest

from allowly_harness.cli.logs import MAX_LOG_BYTES, log_to


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Log into a file."""
    path = tmp_path / "state" / "harness.log"
    log_to(path)
    return path


def test_what_a_library_quotes_of_a_server_is_inert_and_forges_no_line(log):
    logging.getLogger("mcp").warning(
        "Unknown SSE event: %s", "\x1b[2J\u202e\n2026-01-01 ERROR allowly_harness approved"
    )

    first, second = log.read_text().splitlines()
    assert "\\x1b[2J\\u{202e}" in first
    assert second.startswith("  2026-01-01 ERROR")


def test_an_exception_is_named_without_its_text(log):
    try:
        int("cnf_secret")
    except ValueError:
        logging.getLogger("mcp").exception("It failed.")

    assert "ValueError at" in log.read_text()
    assert "cnf_secret" not in log.read_text()


def test_a_flood_of_warnings_does_not_fill_the_disk(log):
    logger = logging.getLogger("mcp")
    largest = 0
    for number in range(3 * MAX_LOG_BYTES // 1000):
        logger.warning("%d %s", number, "x" * 1000)
        largest = max(largest, log.stat().st_size)

    assert largest <= MAX_LOG_BYTES + 4096
    assert log.read_text().count("\n") > 0
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_log_in_whose_place_a_link_stands_is_not_written(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    link = tmp_path / "harness.log"
    link.symlink_to(other)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    log_to(link)
    logging.getLogger("mcp").warning("x")
    root.handlers[:], root.level = handlers, level

    assert other.read_text() == "mine"


def test_a_log_whose_file_is_closed_ends_nothing_that_is_logged(log, capsys):
    handler = logging.getLogger().handlers[0]
    handler.stream.close()

    logging.getLogger("mcp").warning("a word")

    assert log.read_text() == ""

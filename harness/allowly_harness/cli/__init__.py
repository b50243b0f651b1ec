"""The command line. It parses; everything else is imported inside the commands."""

from __future__ import annotations


def main() -> None:
    """Run `allowly-harness`."""
    from allowly_harness.cli.main import main as run

    run()

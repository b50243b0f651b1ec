"""Lets `python -m allowly_harness` do what `allowly-harness` does."""

from allowly_harness.cli import main

main()

"""Agents of other people's frameworks with approvals under them, one loop for each; every file also runs on its own."""

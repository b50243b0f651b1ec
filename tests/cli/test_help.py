"""`--help` and `--version`: light, and complete."""

import subprocess
import sys

import pytest

HEAVY = ("mcp", "textual", "prompt_toolkit", "pydantic", "httpx", "anyio", "starlette", "allowly_authority.client")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["call", "--help"], ["authority", "serve", "--help"]])
def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['allowly-harness', *{arguments!r}]\n"
        "from allowly_harness.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stderr.strip() == "[]"
    assert ran.stdout

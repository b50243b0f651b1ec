"""What `call` writes in the end, where results or the output are not as they should be."""

import json
import os
import subprocess
import sys
from typing import Any

import mcp_types as types
import pytest

from allowly_harness.cli.report import Report

INFINITE = {"a": float("nan"), "b": [float("inf"), {"c": 1.5}]}


def strict(text: str) -> Any:
    """Read JSON as the standard has it, without Python's constants."""

    def refuse(name: str) -> Any:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("output", ["text", "json"])
def test_what_is_no_json_number_is_written_as_null(capsysbinary, output):
    """A server may send NaN, which Python's own parser reads; the scripts behind us may not."""
    result = types.CallToolResult(content=[], structured_content=INFINITE)

    code = Report(output).ended(result)

    written = strict(capsysbinary.readouterr().out.decode())
    assert code == 0
    assert (written["structured"] if output == "json" else written) == {"a": None, "b": [None, {"c": 1.5}]}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110 - at import, one call
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_full_disk_is_named_and_not_taken_for_a_failure_of_the_call(output):
    program = f"""
import sys
import mcp_types as types
from allowly_harness.cli.report import Report

text = types.TextContent(type="text", text="x" * 100_000)
sys.exit(Report({output!r}).ended(types.CallToolResult(content=[text])))
"""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [sys.executable, "-c", program], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert ended.returncode == 1
    assert "the call has ended, but its result cannot be written: No space left on device" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Exception ignored" not in ended.stderr

"""What importing the adapters costs, seen from a fresh interpreter."""

import subprocess
import sys

import pytest

import allowly_harness.adapters


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import allowly_harness.adapters", {"mcp", "fastmcp", "textual", "prompt_toolkit", "anyio"}),
        ("from allowly_harness.adapters import PermissionApprover, AcpApprover", {"mcp", "fastmcp", "textual"}),
        ("from allowly_harness.adapters import approving, ApprovingClient", {"fastmcp", "textual", "prompt_toolkit"}),
    ],
)
def test_each_adapter_loads_what_it_needs_and_no_more(code: str, unwanted: set[str]) -> None:
    program = f"import sys\n{code}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert not unwanted & set(done.stdout.split())


def test_every_public_name_is_there() -> None:
    assert all(getattr(allowly_harness.adapters, name) for name in allowly_harness.adapters.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = allowly_harness.adapters.nothing

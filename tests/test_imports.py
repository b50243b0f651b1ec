"""What each package loads, seen from outside: a fresh interpreter and its `sys.modules`."""

import json
import subprocess
import sys

import pytest

SCREENS = {"textual", "prompt_toolkit", "rich"}
SERVER_SIDE = ["allowly_middleware", "allowly_authority"]


def loaded(code: str) -> set[str]:
    """Run `code` in a fresh interpreter and return the names of the modules that it loaded."""
    program = (
        f"import json, sys\nbefore = set(sys.modules)\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(names)


def roots(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


def every_module_of(package: str) -> str:
    return (
        "import importlib, pkgutil\n"
        f"package = importlib.import_module({package!r})\n"
        "for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "    if not found.name.endswith('__main__'):\n"
        "        importlib.import_module(found.name)\n"
    )


def test_the_protocol_core_loads_the_standard_library_and_the_shared_binding_alone() -> None:
    modules = loaded(every_module_of("allowly_harness.protocol"))

    foreign = {name for name in modules if name.partition(".")[0] not in sys.stdlib_module_names}
    ours = {name for name in foreign if name.startswith(("allowly_harness.protocol", "allowly_authority."))}
    assert foreign - ours == {"allowly_harness", "allowly_harness._version", "allowly_authority"}
    assert {name for name in ours if name.startswith("allowly_authority")} == {"allowly_authority.binding"}


def test_the_protocol_core_does_no_io() -> None:
    modules = loaded("import allowly_harness.protocol.flow")

    assert not modules & {"asyncio", "socket", "ssl", "sqlite3", "subprocess", "selectors"}


@pytest.mark.parametrize("package", SERVER_SIDE)
def test_a_server_process_never_loads_a_screen_or_the_harness(package: str) -> None:
    assert not roots(loaded(every_module_of(package))) & {*SCREENS, "allowly_harness", "allowly_demos"}


@pytest.mark.parametrize("package", [*SERVER_SIDE, "allowly_harness"])
def test_importing_a_package_loads_nothing_of_weight(package: str) -> None:
    heavy = {"mcp", "mcp_types", "pydantic", "httpx", "starlette", "uvicorn", "anyio", "jsonschema", "click"}

    assert not roots(loaded(f"import {package}")) & (SCREENS | heavy)


def test_the_binding_loads_nothing_but_the_standard_library() -> None:
    foreign = roots(loaded("import allowly_authority.binding")) - set(sys.stdlib_module_names)

    assert foreign == {"allowly_authority"}


def test_the_chat_approver_never_loads_textual() -> None:
    assert "textual" not in roots(loaded("import allowly_harness.approvers.chat"))


def test_a_session_loads_no_screen_and_no_schema_validator() -> None:
    modules = roots(loaded("import allowly_harness.session, allowly_harness.connection"))

    assert not modules & {*SCREENS, "httpx", "sqlite3", "jsonschema"}


def test_every_public_name_can_be_imported() -> None:
    for package in ("allowly_harness", *SERVER_SIDE):
        loaded(f"import {package}\nfor name in {package}.__all__:\n    getattr({package}, name)")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    loaded(
        "import allowly_harness\n"
        "try:\n"
        "    allowly_harness.nothing\n"
        "except AttributeError as error:\n"
        "    assert 'nothing' in str(error)\n"
        "else:\n"
        "    raise SystemExit('no error')\n"
    )

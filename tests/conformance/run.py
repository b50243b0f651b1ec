"""Runs every published version of the `allowly` SDK against the authority, and compares with what is expected.

`run.py FOLDER` takes the environments that `install.py` made there, `run.py --installed` the version that this Python
has. It prints the table, then each fault, and ends with 1 if there is one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import expectations

from allowly_authority import AuthorityClient, RunningAuthority, embedded_authority
from allowly_authority.workspace import new_key

SCRIPT: Final = Path(__file__).with_name("sdk_client.py")
AUTHORIZATIONS: Final = 20
"""How many authorizations a version can use up."""

SECONDS: Final = 300.0
"""How long one version may take."""


async def authorizations(running: RunningAuthority) -> list[str]:
    """Make authorizations that every version can check: newer versions cannot make them without a policy edition."""
    async with AuthorityClient(base_url=running.base_url, api_key=running.api_key, timeout_seconds=30) as client:
        made = [
            await client.create_authorization(
                user_id="usr_7",
                agent_id="mail-bot",
                scopes=["read", "send", "delete"],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                requires_confirm_for=["send"],
                requires_escalation_for=["delete"],
                escalation_targets={"delete": "compliance"},
            )
            for _ in range(AUTHORIZATIONS)
        ]
    return [one.authorization_id for one in made]


async def report_of(python: Path, folder: Path) -> dict[str, Any]:
    """Return what one version reports of an authority of its own."""
    async with embedded_authority(db=folder / "authority.db", key=new_key()) as running:
        plan = {"base_url": running.base_url, "api_key": running.api_key}
        plan |= {"authorizations": await authorizations(running)}
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            str(python), str(SCRIPT), stdin=pipe, stdout=pipe, stderr=pipe, env=environ
        )
        try:
            said, complaint = await asyncio.wait_for(process.communicate(json.dumps(plan).encode()), SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise SystemExit(f"{python} {SCRIPT.name} ended with {process.returncode}:\n{complaint.decode()}")
    return json.loads(said)


def faults_of(report: dict[str, Any]) -> dict[tuple[str, str], str]:
    """Return what did not come to what is expected, by operation and version."""
    version, outcomes = report["version"], report["outcomes"]
    judged = {name: expectations.fault(name, version, outcome) for name, outcome in outcomes.items()}
    return {(name, version): fault for name, fault in judged.items() if fault is not None}


async def main(environments: dict[str | None, Path]) -> int:
    """Run the versions one after the other."""
    versions: list[str] = []
    faults: dict[tuple[str, str], str] = {}
    for version, python in environments.items():
        with tempfile.TemporaryDirectory() as folder:
            report = await report_of(python, Path(folder))
        if version not in {None, report["version"]}:
            raise SystemExit(f"the environment of {version} holds {report['version']}")
        if set(report["outcomes"]) != set(expectations.OPERATIONS):
            raise SystemExit(f"{SCRIPT.name} does other things than expectations.py lists")
        versions.append(report["version"])
        faults |= faults_of(report)
    print(expectations.table(versions, faults))
    for (name, version), fault in faults.items():
        print(f"{version}: {name}: {fault}")
    return 1 if faults else 0


def chosen(argument: str) -> dict[str | None, Path]:
    """Return which Python runs which version; `None` is whichever it has."""
    if argument == "--installed":
        return {None: Path(sys.executable)}
    return {version: Path(argument).absolute() / version / "bin" / "python" for version in expectations.VERSIONS}


if __name__ == "__main__":
    sys.exit(asyncio.run(main(chosen(sys.argv[1]))))

"""Makes one call on a disk that fills up meanwhile: `full_disk.py FOLDER asked|in-tool`; prints what came of it."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import anyio

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from bending_bank import Bank, open_bank

from allowly_harness import Answer, ApprovalRequest


def fill(bank: Bank) -> None:
    """Let no file grow that this process writes. The system's signal for that is ignored by Python."""
    written = max(path.stat().st_size for path in bank.journal_path.parent.glob("journal.db*") if path.is_file())
    resource.setrlimit(resource.RLIMIT_FSIZE, (written, resource.RLIM_INFINITY))


async def main(folder: Path, when: str) -> None:
    """Make the call."""
    async with open_bank(folder / "journal.db") as bank:

        async def approve(_: ApprovalRequest) -> Answer:
            if when == "asked":
                fill(bank)
            return Answer.approve()

        result = await bank.pay(approve, in_tool=lambda: fill(bank) if when == "in-tool" else None)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        text = result.content[0].text
        sys.stdout.write(json.dumps({"is_error": result.is_error, "text": text, "ran": len(bank.runs)}))


if __name__ == "__main__":
    anyio.run(main, Path(sys.argv[1]), sys.argv[2])

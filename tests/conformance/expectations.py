"""What each published version of the SDK is expected to do. Run as a program, it writes the table into the page.

Source: the matrix of bodies that each version parses, and the public names of each wheel.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VERSIONS: Final = tuple((Path(__file__).parent / "versions.txt").read_text(encoding="ascii").split())


@dataclass(frozen=True)
class Operation:
    """One thing that users of the SDK do.

    Attributes:
        title: What it is, in the table.
        since: The first version that has it.
        until: The last version that has it; `None` for the newest.
        unreadable_until: The last version that cannot read the one reply that newer versions can.
    """

    title: str
    since: str = VERSIONS[0]
    until: str | None = None
    unreadable_until: str | None = None


OPERATIONS: Final[Mapping[str, Operation]] = {
    "readiness": Operation("readiness", since="0.7.0"),
    "create_inline": Operation("create an authorization with its rules", until="0.7.0"),
    "deny_list": Operation("`requires_deny_for`", until="0.7.0"),
    "replace": Operation("replace an authorization", until="0.7.0"),
    "budget": Operation("budgets and their settlement", until="0.7.0"),
    "policies": Operation("make, read, list and archive policies", since="0.8.0"),
    "create_by_policy": Operation("create an authorization by policy edition", since="0.8.0"),
    "check_allow": Operation("check: `allow`"),
    "check_confirm": Operation("check: `confirm`"),
    "check_escalate": Operation("check: `escalate`"),
    "check_deny": Operation("check: `deny`"),
    "check_all_at_once": Operation("check of four actions at once"),
    "check_unknown": Operation("check of an unknown authorization"),
    "check_again_with_a_key": Operation("check again under the same idempotency key"),
    "confirmation_approve": Operation("approve a confirmation; a second time is 410"),
    "confirmation_refuse": Operation("refuse a confirmation", unreadable_until="0.6.0"),
    "confirmation_status": Operation("read a confirmation's status", since="0.6.1"),
    "escalation_approve": Operation("approve an escalation, which opens one check"),
    "escalation_reject": Operation("reject an escalation, which lasts"),
    "escalation_status": Operation("read an escalation's status", since="0.6.1"),
    "revoke": Operation("revoke an authorization and its approvals"),
    "receipt_pending": Operation("read a receipt; an unknown one is 404"),
    "receipt_signed": Operation("verify a signed receipt", since="0.8.0"),
    "wrong_key": Operation("a wrong key is 401"),
}

NOT_YET: Final[frozenset[str]] = frozenset()
"""What the authority does not do yet. An operation that begins to work is an error until it has left this list."""

PAGE: Final = Path(__file__).parents[2] / "docs" / "authority-sdks.md"
BEGIN: Final = "<!-- table: tests/conformance/expectations.py -->\n"
END: Final = "<!-- end -->\n"

WORDS: Final = {"works": "yes", "absent": "-", "unreadable": "no", "not yet": "not yet"}


def expected(operation: str, version: str) -> str:
    """Return one of `WORDS`: what an operation of one version is expected to come to."""
    its = OPERATIONS[operation]
    if parts(version) < parts(its.since) or (its.until is not None and parts(version) > parts(its.until)):
        return "absent"
    if operation in NOT_YET:
        return "not yet"
    if its.unreadable_until is not None and parts(version) <= parts(its.unreadable_until):
        return "unreadable"
    return "works"


def parts(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    return tuple(int(part) for part in version.split("."))


def fault(operation: str, version: str, outcome: str) -> str | None:
    """Return what is wrong with an outcome, or `None` if it is the expected one."""
    wanted = expected(operation, version)
    if wanted in {"works", "absent"}:
        return None if outcome == wanted else f"{wanted} was expected, got {outcome}"
    if outcome in {"works", "absent"}:
        return f"{wanted} was expected, and it is {outcome}: correct expectations.py"
    if wanted == "unreadable" and not outcome.startswith("AllowlyProtocolError"):
        return f"a reply that this version cannot read was expected, got {outcome}"
    return None


def table(versions: Iterable[str] = VERSIONS, faulty: Container[tuple[str, str]] = ()) -> str:
    """Return the table in Markdown.

    Args:
        versions: The columns.
        faulty: Pairs of an operation and a version that did not come to what is expected.
    """

    def cell(name: str, version: str) -> str:
        return "FAULT" if (name, version) in faulty else WORDS[expected(name, version)]

    columns = list(versions)
    rows = [["", *columns], ["---"] * (len(columns) + 1)]
    rows += [[its.title, *(cell(name, one) for one in columns)] for name, its in OPERATIONS.items()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page() -> str:
    """Return the page of users with the table of today in it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

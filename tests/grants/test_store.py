"""The file of grants: what stands in it, who gets the last use, and what happens when a clock or the disk fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from allowly_harness.grants import Binding, Ends, GrantError, GrantStore, Rule
from allowly_harness.grants.store import CHANGED, CLOCK_SET_BACK, MAX_GRANTS, REVOKED
from allowly_harness.protocol.models import ToolCall

BOUND = Binding("mail", "python mail.py", "send", "definition", "authority", "auth-1", "ada")
CALL = ToolCall("mail", "send", {"to": "ada"})
TOOL = Rule.any_call()


def standing(store: GrantStore) -> list[str]:
    return [grant.id for grant, why in store.all() if not why]


@pytest.mark.parametrize(
    "field", ["server", "configured", "tool", "definition", "authority", "authorization", "granted_by"]
)
def test_a_grant_answers_only_where_all_that_it_is_bound_to_is_the_same(store: GrantStore, field: str) -> None:
    """G1."""
    store.add(BOUND, TOOL, Ends(minutes=5), CALL)

    assert store.take(replace(BOUND, **{field: "other"}), CALL) is None


def test_a_use_is_taken_before_it_is_returned_and_the_last_one_is_the_last(store: GrantStore) -> None:
    made = store.add(BOUND, TOOL, Ends(uses=2), CALL)

    taken = [store.take(BOUND, CALL) for _ in range(3)]

    assert [None if one is None else (one.id, one.uses_left, one.used) for one in taken] == [
        (made.id, 1, 1),
        (made.id, 0, 2),
        None,
    ]
    assert store.all()[0][1] == "used up"


def test_the_narrowest_grant_is_used_first(store: GrantStore, clock) -> None:
    for rule in (TOOL, Rule.values(CALL, ["to"]), Rule.exactly(CALL)):
        store.add(BOUND, rule, Ends(uses=1), CALL)

    taken = [store.take(BOUND, CALL) for _ in range(3)]

    assert [one.rule.scope for one in taken if one is not None] == ["call", "values", "tool"]


def test_a_grant_ends_with_its_time(store: GrantStore, clock) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    clock.pass_minutes(9.9)
    assert store.take(BOUND, CALL) is not None
    clock.pass_minutes(0.2)
    assert store.take(BOUND, CALL) is None
    assert store.all()[0][1] == "expired"


def test_no_grant_lives_longer_than_a_day(store: GrantStore, clock) -> None:
    store.add(BOUND, TOOL, Ends(uses=100), CALL)
    store.add(BOUND, TOOL, Ends(session=True), CALL)

    clock.pass_minutes(1441)

    assert store.take(BOUND, CALL) is None


@pytest.mark.parametrize("back", [60_000, 3_600_000])
def test_a_wall_clock_that_is_set_back_ends_every_grant_for_good(store: GrantStore, clock, back: int) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    clock.wall -= back
    found = store.take(BOUND, CALL)
    clock.wall += back

    assert found is None
    assert store.take(BOUND, CALL) is None
    assert store.all()[0][1] == CLOCK_SET_BACK


def test_a_wall_clock_set_back_unseen_makes_no_grant_live_longer(store: GrantStore, clock) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    clock.pass_minutes(11)
    clock.wall -= 5 * 60_000

    assert store.take(BOUND, CALL) is None


def test_a_grant_goes_on_after_a_restart_of_the_computer_by_the_wall_clock(store: GrantStore, clock) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    clock.boot, clock.up = "boot-2", 10

    assert store.take(BOUND, CALL) is not None
    clock.wall += 11 * 60_000
    assert store.take(BOUND, CALL) is None


def test_a_step_back_of_the_network_s_time_changes_nothing(store: GrantStore, clock) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    clock.wall -= 1_000

    assert store.take(BOUND, CALL) is not None


def test_a_session_s_grant_answers_in_no_other_one_and_ends_with_it(path: Path, clock) -> None:
    with GrantStore(path, clock=clock) as one, GrantStore(path, clock=clock) as other:
        one.add(BOUND, TOOL, Ends(session=True), CALL)

        assert other.take(BOUND, CALL) is None
        assert one.take(BOUND, CALL) is not None

    with GrantStore(path, clock=clock) as later:
        assert later.all()[0][1] == "the session ended"


def test_another_definition_ends_a_grant_for_good(store: GrantStore) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    assert store.take(replace(BOUND, definition="other"), CALL) is None

    assert store.take(BOUND, CALL) is None
    assert store.all()[0][1] == CHANGED


def test_a_revoked_grant_answers_nothing_in_any_program(path: Path, store: GrantStore, clock) -> None:
    made = store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    with GrantStore(path, clock=clock) as other:
        assert (other.revoke(made.id), other.revoke(made.id), other.revoke("no such")) == (1, 0, 0)

    assert store.take(BOUND, CALL) is None
    assert store.all()[0][1] == REVOKED


def test_all_are_revoked_at_once(store: GrantStore) -> None:
    for _ in range(3):
        store.add(BOUND, TOOL, Ends(minutes=10), CALL)

    assert store.revoke() == 3
    assert standing(store) == []


def test_two_programs_that_want_the_last_use_get_it_once(path: Path) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from allowly_harness.grants import Binding, GrantStore\n"
        "from allowly_harness.protocol.models import ToolCall\n"
        "bound = Binding('mail', 'python mail.py', 'send', 'definition', 'authority', 'auth-1', 'ada')\n"
        "with GrantStore(Path(sys.argv[1])) as store:\n"
        "    print(sum(store.take(bound, ToolCall('mail', 'send', {'to': 'ada'})) is not None for _ in range(30)))\n"
    )
    with GrantStore(path) as store:
        store.add(BOUND, TOOL, Ends(uses=20), CALL)

    racing = [subprocess.Popen([sys.executable, "-c", program, path], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    taken = [int(one.communicate(timeout=60)[0]) for one in racing]

    assert sum(taken) == 20


def test_more_grants_than_anybody_looks_through_are_refused(store: GrantStore, clock) -> None:
    for _ in range(MAX_GRANTS):
        store.add(BOUND, TOOL, Ends(minutes=1), CALL)

    with pytest.raises(GrantError, match="revoke some"):
        store.add(BOUND, TOOL, Ends(minutes=1), CALL)

    clock.pass_minutes(2)
    store.add(BOUND, TOOL, Ends(minutes=1), CALL)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE grants SET arguments = '{'",
        "UPDATE grants SET arguments = '[1]'",
        "UPDATE grants SET others = '{\"a\": 1}'",
        "UPDATE grants SET others = '[1]'",
        "DROP TABLE grants",
    ],
)
def test_a_damaged_grant_is_an_error_and_answers_nothing(path: Path, store: GrantStore, damage: str) -> None:
    store.add(BOUND, TOOL, Ends(minutes=10), CALL)
    other = sqlite3.connect(path)
    with other:
        other.execute(damage)
    other.close()

    with pytest.raises(GrantError):
        store.take(BOUND, CALL)


def test_a_file_that_is_no_file_of_grants_is_refused_and_left_as_it_is(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no database" * 100)
    path.chmod(0o600)

    with pytest.raises(GrantError, match="damaged"):
        GrantStore(path)

    assert path.read_bytes() == b"no database" * 100


def test_a_file_that_others_may_write_is_refused(path: Path) -> None:
    GrantStore(path).close()
    path.chmod(0o620)

    with pytest.raises(GrantError, match="chmod 600"):
        GrantStore(path)


def test_a_file_that_cannot_be_written_gives_no_use(path: Path, store: GrantStore) -> None:
    store.add(BOUND, TOOL, Ends(uses=1), CALL)
    store._connection.execute("PRAGMA query_only = ON")

    with pytest.raises(GrantError):
        store.take(BOUND, CALL)

    store._connection.execute("PRAGMA query_only = OFF")
    assert store.take(BOUND, CALL) is not None


def test_the_file_is_for_its_owner_alone(store: GrantStore) -> None:
    assert store.path.stat().st_mode & 0o777 == 0o600
    assert store.path.parent.stat().st_mode & 0o777 == 0o700

"""`allowly-harness inbox` as an approver runs it: real keys, a real authority, real terminals."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest
from terminals import Terminal

from allowly_authority import AuthorityClient
from allowly_authority.binding import bound_resource, canonical_json

QUESTION = r"left.*approve (\w\w)"


@dataclass
class Compliance:
    """What the other side does: keys for people, and payments that compliance must approve."""

    base_url: str
    api_key: str

    def key(self, name: str, role: str = "approver") -> str:
        async def make() -> str:
            async with AuthorityClient(base_url=self.base_url, api_key=self.api_key, timeout_seconds=30) as owner:
                addresses = ["compliance"] if role == "approver" else []
                return (await owner.create_key(principal_id=name, roles=[role], addresses=addresses)).key

        return anyio.run(make)

    def escalate(self, arguments: dict, *, show: bool = True) -> str:
        async def raise_one() -> str:
            async with AuthorityClient(base_url=self.base_url, api_key=self.api_key, timeout_seconds=30) as owner:
                authorization = await owner.create_authorization(
                    user_id="user_1",
                    agent_id="shop-bot",
                    scopes=["pay"],
                    expires_at=datetime.now(UTC) + timedelta(days=1),
                    requires_escalation_for=["pay"],
                    escalation_targets={"pay": "compliance"},
                )
                canonical = canonical_json(arguments)
                reply = await owner.check(
                    authorization_id=authorization.authorization_id,
                    scopes=["pay"],
                    resource=bound_resource("pay", canonical),
                )
                escalation_id = reply.results["pay"].escalation_id
                assert escalation_id is not None
                if show:
                    await owner.show_call(escalation_id=escalation_id, tool="pay", arguments=canonical, server="shop")
                return escalation_id

        return anyio.run(raise_one)

    def record(self, escalation_id: str) -> tuple[str, str | None]:
        async def read() -> tuple[str, str | None]:
            async with AuthorityClient(base_url=self.base_url, api_key=self.api_key, timeout_seconds=30) as owner:
                found = await owner.lookup_prompt(escalation_id=escalation_id)
                return found.status, found.resolved_by

        return anyio.run(read)


@pytest.fixture
def compliance(office) -> Compliance:
    return Compliance(office.base_url, office.api_key)


@pytest.fixture
def as_approver(user, compliance) -> Callable[[str], None]:
    """Let programs that start from now on have a key of this person's."""

    def use(name: str, role: str = "approver") -> None:
        user.environ["ALLOWLY_KEY"] = compliance.key(name, role)

    return use


@pytest.fixture
def another_terminal(user) -> Iterator[Callable[[], Terminal]]:
    opened: list[tuple[Terminal, Path]] = []

    def make() -> Terminal:
        folder = Path(tempfile.mkdtemp(prefix="t-"))
        opened.append((Terminal(folder, user.environment()), folder))
        return opened[-1][0]

    yield make
    for terminal, folder in opened:
        terminal.close()
        shutil.rmtree(folder)


class TestWithoutATerminal:
    """What waits is data; nothing is answered."""

    def test_what_waits_is_printed_as_json_and_goes_on_waiting(self, user, compliance, as_approver) -> None:
        asked = compliance.escalate({"amount": 100}, show=False)
        as_approver("ada")

        done = user.run("inbox")

        assert done.returncode == 0, done.stderr
        (item,) = json.loads(done.stdout)
        assert (item["id"], item["tool"], item["escalation_to"]) == (asked, "pay", "compliance")
        assert item["answered_here"] is True
        assert compliance.record(asked) == ("pending", None)

    def test_the_key_of_a_gate_is_refused_with_what_to_do(self, user, as_approver) -> None:
        as_approver("gate-1", "gate")

        done = user.run("inbox", "--json")

        assert done.returncode == 2
        assert "--role approver" in done.stderr

    def test_a_name_that_is_not_the_keys_is_an_error(self, user, as_approver) -> None:
        as_approver("ada")

        done = user.run("inbox", "--json", "--as", "legal")

        assert done.returncode == 2
        assert "'legal' is no name of the holder" in done.stderr

    def test_an_authority_that_is_not_there_is_said_so(self, user) -> None:
        user.environ |= {"ALLOWLY_KEY": "alk_x", "ALLOWLY_BASE_URL": "http://127.0.0.1:9"}

        assert user.run("inbox", "--json").returncode == 7

    def test_without_an_authority_it_says_how_to_name_one(self, user) -> None:
        done = user.run("inbox", "--json")

        assert (done.returncode, "--authority URL" in done.stderr) == (2, True)

    def test_watching_prints_what_comes_and_goes(self, user, compliance, as_approver, program) -> None:
        as_approver("ada")
        with user.running(program, "inbox", "--watch", "--json") as process:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline()) == {"event": "connected"}
            asked = compliance.escalate({"amount": 7}, show=False)
            told = json.loads(process.stdout.readline())

        assert (told["event"], told["question"]["id"]) == ("arrived", asked)


@pytest.mark.terminal
class TestTwoTerminals:
    """A full screen and plain lines on one authority: the first answer wins, and the other says who was first."""

    def test_the_first_answer_counts_and_an_open_card_elsewhere_says_whose_it_was(
        self, user, compliance, as_approver, another_terminal, program
    ) -> None:
        """G1, G3, and what both were asked stands in the one journal of this user (G12)."""
        asked = compliance.escalate({"amount": 250}, show=False)
        as_approver("bob")
        plain = another_terminal()
        as_approver("ada")
        screen = another_terminal()
        plain.start([program, "inbox", "--chat"])
        screen.start([program, "inbox"])
        screen.wait_for("1 WAITING")
        plain.wait_for("#1 pay")

        screen.press("Enter")
        screen.wait_for("WHAT WILL BE SENT IS NOT SHOWN")
        plain.type("/pending 1")
        plain.press("Enter")
        code = plain.wait_for(QUESTION)[1]
        plain.type(f"approve {code}")
        plain.press("Enter")
        plain.wait_for("This call is dangerous")
        plain.type(f"approve {code} pay within the limit")
        plain.press("Enter")

        plain.wait_for("Approved, with your note")
        screen.wait_for("ANSWERED ELSEWHERE")
        screen.wait_for('Approved by "bob"')
        assert compliance.record(asked) == ("approved", "bob")
        screen.read(1.5)
        screen.press("x")
        screen.wait_for("Nothing waits")
        assert screen.leave("C-q") == 0
        shown = [json.loads(line) for line in user.run("journal", "show", "--json").stdout.splitlines()]
        kept = {one["questions"][0]["surface"]: (one["state"], one["questions"][0]["by"]) for one in shown}
        assert kept == {"chat": ("approved", "bob"), "elsewhere": ("approved elsewhere", "bob")}
        assert {one["ran"] for one in shown} == {"not here"}

    def test_the_full_screen_approves_and_lists_it_among_what_was_decided(
        self, compliance, as_approver, another_terminal, program
    ) -> None:
        asked = compliance.escalate({"amount": 250})
        as_approver("ada")
        screen = another_terminal()
        screen.start([program, "inbox"])
        screen.wait_for("1 WAITING")
        screen.press("Enter")
        screen.wait_for(r"amount +250")
        screen.wait_for("a approve")
        screen.press("a")
        screen.wait_for("Press y to run it")
        screen.read(0.5)
        screen.press("y")
        screen.wait_for("Nothing waits")
        assert compliance.record(asked) == ("approved", "ada")

        screen.press("h")
        screen.wait_for(r"approved +pay")

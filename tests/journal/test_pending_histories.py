"""Whatever two programs do to calls that wait, in whatever order and cut off anywhere, a model agrees with the file.

The model knows only the rules: who holds a call, whether it may be sent, and how often it was.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from allowly_harness.journal import Intact, Journal, verify
from allowly_harness.journal.file import open_file
from allowly_harness.journal.keeping import Keeping
from allowly_harness.journal.pending import PendingState
from allowly_harness.journal.renewing import LEASE_SECONDS
from allowly_harness.journal.running import counted_as_running
from allowly_harness.protocol.effects import Record
from allowly_harness.protocol.errors import JournalError, PendingError
from allowly_harness.protocol.models import ToolCall

CALL = ToolCall("bank", "pay", {"to": "ada@example.com"})
TOKENS = ("1" * 32, "2" * 32)
PROGRAMS = (0, 1)
FREE = {"asking", "waiting", "deferred"}


class Program:
    """A running program; killed, it says nothing any more and its lock is gone."""

    def __init__(self, path: Path, clock: Any) -> None:
        self.stack = ExitStack()
        connection = open_file(path)
        self.stack.callback(connection.close)
        name = self.stack.enter_context(counted_as_running(path))
        self.journal = Journal(path, connection, name, clock)
        self.stack.callback(self.journal.pending.renewing.stop)

    def kill(self) -> None:
        self.stack.close()


class Histories(RuleBasedStateMachine):
    """Two programs, two calls, one clock."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.db"
        self.now = 1_000_000_000.0
        self.programs = [self._start(), self._start()]
        # The model: state, holder and end of its lease; who else still believes to hold it; sendings without an answer.
        self.state: dict[str, str] = {}
        self.holder: dict[str, tuple[int, float] | None] = {}
        self.believes: set[tuple[int, str]] = set()
        self.sent = dict.fromkeys(TOKENS, 0)

    def _start(self) -> Program:
        return Program(self.path, lambda: self.now)

    def teardown(self) -> None:
        for program in self.programs:
            program.kill()
        shutil.rmtree(self.folder)

    def _tell(self, who: int, token: str, step: Any, **facts: Any) -> bool:
        if step == "asked":
            facts = {"kind": "escalate", "to": "compliance", "expires_at": "2030-01-01T00:00:00+00:00"}
        try:
            self.programs[who].journal._append_resumable(Record(step, CALL, facts, token), Keeping(CALL))
        except PendingError:
            return False
        return True

    def _holds(self, who: int, token: str) -> bool:
        held = self.holder.get(token)
        return held is not None and held[0] == who and (who, token) in self.believes

    def _is_free(self, token: str) -> bool:
        held = self.holder.get(token)
        return self.state.get(token) in FREE and (held is None or held[1] <= self.now)

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def ask(self, who: int, token: str) -> None:
        if token not in self.state and (who, token) not in self.believes:
            assert self._tell(who, token, "asked")
            self.state[token], self.holder[token] = "asking", (who, self.now + LEASE_SECONDS)
            self.believes.add((who, token))

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS), word=st.sampled_from(["wait", "approve"]))
    def answer(self, who: int, token: str, word: str) -> None:
        if (who, token) in self.believes and self.state.get(token) != "sending":
            allowed = self._holds(who, token)
            assert self._tell(who, token, "answered", answer=word) is allowed
            if allowed:
                self.state[token] = "waiting" if word == "wait" else "asking"

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def send(self, who: int, token: str) -> None:
        if (who, token) in self.believes:
            allowed = self._holds(who, token) and self.state.get(token) in {"asking", "waiting"}
            assert self._tell(who, token, "dispatched") is allowed
            if allowed:
                self.state[token] = "sending"
                self.sent[token] += 1

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def come_back_blocked(self, who: int, token: str) -> None:
        if self._holds(who, token) and self.state.get(token) == "sending":
            assert self._tell(who, token, "blocked")
            self.state[token] = "asking"
            self.sent[token] -= 1

    @rule(
        who=st.sampled_from(PROGRAMS),
        token=st.sampled_from(TOKENS),
        outcome=st.sampled_from(["deferred", "denied_by_person", "approved", "unknown"]),
    )
    def end(self, who: int, token: str, outcome: str) -> None:
        if not self._holds(who, token):
            return
        sending = self.state[token] == "sending"
        if sending is (outcome in {"deferred", "denied_by_person"}):
            return
        assert self._tell(who, token, "finished", outcome=outcome)
        self.believes.discard((who, token))
        self.holder[token] = None
        if outcome == "deferred":
            self.state[token] = "deferred"
        elif outcome == "unknown":
            self.state[token] = "unknown"
        else:
            del self.state[token], self.holder[token]
            self.sent[token] = 0

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def take(self, who: int, token: str) -> None:
        journal = self.programs[who].journal
        try:
            journal.follow(journal.pending.take(token))
            taken = True
        except PendingError:
            taken = False
        assert taken is self._is_free(token)
        if taken:
            self.state[token], self.holder[token] = "asking", (who, self.now + LEASE_SECONDS)
            self.believes.add((who, token))

    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def cancel(self, who: int, token: str) -> None:
        try:
            self.programs[who].journal.pending.cancel(token)
            cancelled = True
        except PendingError:
            cancelled = False
        assert cancelled is self._is_free(token)
        if cancelled:
            del self.state[token], self.holder[token]

    @rule(who=st.sampled_from(PROGRAMS))
    def renew(self, who: int) -> None:
        self.programs[who].journal.pending.renewing.renew()
        for token, held in self.holder.items():
            if held is not None and held[0] == who:
                self.holder[token] = (who, self.now + LEASE_SECONDS)

    @rule(seconds=st.sampled_from([1.0, LEASE_SECONDS + 1]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(who=st.sampled_from(PROGRAMS))
    def kill(self, who: int) -> None:
        self.programs[who].kill()
        self.programs[who] = self._start()
        self.believes = {one for one in self.believes if one[0] != who}
        for token, held in self.holder.items():
            if held is not None and held[0] == who:
                self.holder[token] = None
                if self.state[token] == "sending":
                    self.state[token] = "unknown"

    @precondition(lambda self: self.state)
    @rule(who=st.sampled_from(PROGRAMS), token=st.sampled_from(TOKENS))
    def be_cut_off_inside_of_a_step(self, who: int, token: str) -> None:
        if not self._holds(who, token):
            return
        connection = self.programs[who].journal._connection
        connection.execute("CREATE TEMP TRIGGER cut BEFORE INSERT ON main.entries BEGIN SELECT RAISE(FAIL, 'cut'); END")
        try:
            self._tell(who, token, "finished", outcome="approved")
            raise AssertionError
        except JournalError:
            pass
        finally:
            connection.execute("DROP TRIGGER cut")

    @invariant()
    def the_file_says_what_the_model_says(self) -> None:
        kept = {one.token: one for one in self.programs[0].journal.pending.list()}
        assert {token: one.state.value for token, one in kept.items()} == self.state
        for token, one in kept.items():
            assert one.free is self._is_free(token)
            assert self.sent[token] <= 1
            assert (self.sent[token] == 1) is (one.state in {PendingState.SENDING, PendingState.UNKNOWN})

    @invariant()
    def the_chain_stands(self) -> None:
        assert isinstance(verify(self.programs[1].journal), Intact)


Histories.TestCase.settings = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestHistories = Histories.TestCase

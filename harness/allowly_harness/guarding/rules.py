"""The policy of a guard: from a file that may change while the guard runs, or from a text that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import anyio

from allowly_harness.protocol.errors import ConfigurationError
from allowly_middleware.pipeline.facts import CallFacts
from allowly_middleware.pipeline.operations import Operation
from allowly_middleware.pipeline.subjects import ANONYMOUS, Subject
from allowly_middleware.policy.diagnostics import Diagnostic, PolicyFileError
from allowly_middleware.policy.documents import parse_policy
from allowly_middleware.policy.files import CHECK_SECONDS, PolicyFile
from allowly_middleware.policy.policies import PolicySet
from allowly_middleware.policy.verdicts import Verdict

MAX_SAID: Final = 10
"""How many faults of a policy are said at once."""


class Rules:
    """Decides by a policy, and says what becomes of its file.

    Args:
        source: The policy.
        name: What it is called in messages.
    """

    def __init__(self, source: PolicyFile | PolicySet, name: str) -> None:
        self._source = source
        self.name = name

    @classmethod
    def of_file(cls, path: Path) -> Rules:
        """Read a policy file.

        Raises:
            ConfigurationError: It cannot be used; the message has a line for each fault, with its line in the file.
        """
        try:
            return cls(PolicyFile(path), str(path))
        except PolicyFileError as error:
            raise ConfigurationError(faults_of(str(path), error)) from None

    @classmethod
    def of_text(cls, text: str) -> Rules:
        """Read a policy that stands in no file."""
        return cls(parse_policy(text).or_raise("policy"), "the policy above")

    @property
    def policies(self) -> PolicySet:
        """The policies in force."""
        return self._source.policies if isinstance(self._source, PolicyFile) else self._source

    @property
    def reads_annotations(self) -> bool:
        """Whether a rule looks at the annotations of tools, so that the server must be asked for them."""
        return self.policies.reads_annotations

    def evaluate(self, facts: CallFacts, *, arguments_known: bool = True) -> Verdict:
        """Decide a request, as `PolicySet.evaluate` does."""
        return self._source.evaluate(facts, arguments_known=arguments_known)

    def can(
        self, server: str, target: str | None, operation: Operation = Operation.TOOL_CALL, *, subject: Subject
    ) -> Verdict:
        """Say what would be decided, as `PolicySet.can` does."""
        return self._source.can(server, target, operation, subject=subject)

    def names(self, server: str) -> bool:
        """Tell whether any rule is for a server."""
        rules = [rule for policy in self.policies.policies for rule in policy.rules]
        return any(pattern.server.matches(server) for rule in rules for _, pattern in rule.targets)

    def summary(self) -> str:
        """Return what becomes of tools, in a few words."""
        rules = [rule for policy in self.policies.policies for rule in policy.rules]
        about_tools = [rule for rule in rules if any(operation is Operation.TOOL_CALL for operation, _ in rule.targets)]
        counted = Counter(rule.says.split()[0] for rule in about_tools)
        said = [f"{counted[word]} {word}" for word in ("allow", "confirm", "escalate", "deny") if counted[word]]
        default = next((policy.default for policy in self.policies.policies if policy.default), "deny")
        return f"{', '.join(said) or 'no rule for tools'}; all other tools {default}"

    @property
    def can_change(self) -> bool:
        """Whether they are from a file, which may say something else later."""
        return isinstance(self._source, PolicyFile)

    async def follow(self, say: Callable[[str], object], changed: Callable[[], Awaitable[object]]) -> None:
        """Say when a new version of the file is in force, or is not, until cancelled.

        Args:
            say: Told it, in sentences.
            changed: Called when a new version is in force: other tools may be hidden now.
        """
        if not isinstance(self._source, PolicyFile):
            return
        file = self._source
        digest, problem = file.digest, ""
        while True:
            await anyio.sleep(CHECK_SECONDS)
            file.can("", None, Operation.TOOLS_LIST, subject=ANONYMOUS)
            now = "" if file.problem is None else faults_of(self.name, file.problem)
            if now and now != problem:
                say(f"{now}\nThe policy of before stays in force.")
            if file.digest != digest:
                say(f"{self.name} has changed, and is in force: {self.summary()}.")
                await changed()
            digest, problem = file.digest, now


def faults_of(name: str, error: PolicyFileError) -> str:
    """Return what is wrong with a policy, a line for each fault."""
    faults = [one for one in error.diagnostics if one.severity == "error"]
    more = [f"... and {len(faults) - MAX_SAID} more"] if len(faults) > MAX_SAID else []
    return "\n".join([*(_line(name, one) for one in faults[:MAX_SAID]), *more])


def _line(name: str, fault: Diagnostic) -> str:
    place = name if fault.line is None else f"{name}:{fault.line}"
    hint = f"; {fault.hint}" if fault.hint else ""
    return f"{place}: {fault.message}{hint}"

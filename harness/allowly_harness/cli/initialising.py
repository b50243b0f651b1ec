"""`allowly-harness guard --init`: writes the policy that a server's list of tools suggests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from allowly_harness.cli.exits import ExitCode, say
from allowly_harness.cli.guarding import say_plainly
from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_harness.servers import ServerSpec

STDOUT: Final = "-"
MAX_APPROVER_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True)
class Initialising:
    """One run of the command that writes.

    Attributes:
        spec: The server.
        name: What the policy is to call it; `None` for a name after its package.
        variables: For a started server.
        output: Where the policy goes.
        escalate_to: Who approves what destroys; `None` for the user.
        era: "auto", "modern" or "legacy".
        timeout: How long the server may take to answer, in seconds.
        start_timeout: How long it may take to start, in seconds.
        force: Whether files may be written over.
    """

    spec: ServerSpec
    name: str | None
    variables: Mapping[str, str] = field(repr=False)
    output: str
    escalate_to: str | None
    era: str
    timeout: float
    start_timeout: float
    force: bool

    def check(self) -> None:
        """Find out what can be wrong before the server is started.

        Raises:
            ConfigurationError: A file is there already, or the approver cannot be named so.
        """
        approver = self.escalate_to
        if approver is not None and not (approver.strip() and approver.isprintable()):
            raise ConfigurationError("--escalate-to names an approver, in printable characters")
        if approver is not None and len(approver) > MAX_APPROVER_CHARACTERS:
            raise ConfigurationError(f"the name of an approver has at most {MAX_APPROVER_CHARACTERS} characters")
        for path in self._paths():
            if path.is_symlink() or (path.exists() and not self.force):
                raise ConfigurationError(f"{path} is there already; --force writes over it, -o names another file")

    async def run(self) -> int:
        """Ask the server, and write."""
        from allowly_harness.guarding.definitions import written
        from allowly_harness.guarding.naming import policy_name
        from allowly_harness.guarding.opening import survey_of
        from allowly_harness.guarding.proposing import policy_text
        from allowly_harness.guarding.rules import Rules

        name = self.name or policy_name(self.spec)
        label = self.spec.info.configured or self.spec.info.name
        say_plainly(f"Asking {label} what it offers. What is started with npx or uvx is downloaded first ...")
        era: Any = self.era
        offer = await survey_of(
            self.spec, self.variables, era=era, timeout=self.timeout, start_timeout=self.start_timeout
        )
        try:
            text = policy_text(name, offer, self.escalate_to)
        except ValueError as error:
            raise ConfigurationError(f"no policy can be written: {error}") from None
        if self.output == STDOUT:
            click.echo(text, nl=False)
            return int(ExitCode.DONE)
        policy, definitions = self._paths()
        _write(policy, text)
        _write(definitions, written(name, offer.tools))
        say_plainly(f"Wrote {policy}: {Rules.of_text(text).summary()}.")
        say_plainly(f"Wrote {definitions}: how its tools are defined now, so that changes can be said.")
        say("Both rest on what the server says of itself. Read the policy before you rely on it.")
        return int(ExitCode.DONE)

    def _paths(self) -> tuple[Path, ...]:
        from allowly_harness.guarding.definitions import definitions_file

        path = Path(self.output)
        return () if self.output == STDOUT else (path, definitions_file(path))


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all.

    Raises:
        ConfigurationError: It cannot be written.
    """
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            Path(draft).replace(path)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}") from None

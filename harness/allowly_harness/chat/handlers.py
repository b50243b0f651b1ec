"""What each command does. What takes its time is handed back to the prompt: a call to follow, a question to open."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from allowly_harness.approvers.chat import ChatApprover, describe_pending
from allowly_harness.approvers.chat.arguments import ArgumentsError, change_arguments, parse_arguments
from allowly_harness.approvers.chat.editor import EditFile, EditorFailed
from allowly_harness.approvers.chat.form import Form, Left
from allowly_harness.approvers.chat.text import draw, say
from allowly_harness.approvers.pending import Pending
from allowly_harness.arguments import check_arguments
from allowly_harness.chat.calls import Calls
from allowly_harness.chat.commands import COMMANDS, Command, CommandError, number_of
from allowly_harness.chat.granted import list_used, revoke
from allowly_harness.chat.offers import Offers
from allowly_harness.display.sanitize import identifier, plain
from allowly_harness.forms.coerce import coercer
from allowly_harness.forms.json_text import JSONTextError, parse_json_object, write_json
from allowly_harness.forms.reading import read_form
from allowly_harness.workbench.calls import CallEntry

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants

MAX_PENDING_LISTED: Final = 64
"""Most items that `/pending` lists."""


class Handlers:
    """Does commands.

    Args:
        calls: The calls of the session.
        offers: What the server offers.
        approver: Whose questions `/pending` lists; `None` where somebody else asks.
        edit_file: Opens an editor; `None` where there is none.

    Attributes:
        followed: The call that the last command wants to be followed.
        opened: What the last command wants to be opened.
        prefill: What the next prompt is to begin with.
    """

    def __init__(self, calls: Calls, offers: Offers, approver: ChatApprover | None, edit_file: EditFile | None) -> None:
        self.calls, self.offers = calls, offers
        self.followed: CallEntry | None = None
        self.opened: Pending | None = None
        self.prefill = ""
        self._approver, self._edit_file = approver, edit_file
        self._refused: tuple[str, Any] | None = None
        self._do: Mapping[str, Callable[[Command], Awaitable[None]]] = {
            "tools": self._tools,
            "schema": self._schema,
            "call": self._call,
            "edit": self._edit,
            "pending": self._pending,
            "grants": self._grants,
            "revoke": self._revoke,
            "log": self._log,
            "result": self._result,
            "save": self._save,
            "again": self._again,
            "cancel": self._cancel,
            "resources": self._resources,
            "read": self._read,
            "prompts": self._prompts,
            "prompt": self._prompt,
            "server": self._server,
            "help": self._help,
        }

    async def do(self, command: Command) -> None:
        """Do a command, as far as it needs the terminal.

        Raises:
            CommandError: It cannot be done; the text says why.
        """
        self.followed, self.opened, self.prefill = None, None, ""
        await self._do[command.name](command)

    async def _grants(self, command: Command) -> None:
        del command
        list_used(self._remembered)

    async def _revoke(self, command: Command) -> None:
        await revoke(self._remembered, command.rest)

    @property
    def _remembered(self) -> Grants | None:
        return self._approver.queue.grants if self._approver is not None else None

    # --- tools and calls ---------------------------------------------------------------------------

    async def _tools(self, command: Command) -> None:
        await self.offers.list_tools(command.rest)

    async def _schema(self, command: Command) -> None:
        name, more = command.split()
        self.offers.describe(name)
        if more == "json":
            await self.offers.show_schema(name)
        elif not more:
            say(f"  /schema {identifier(name).text} json prints the schema itself", "note")

    async def _call(self, command: Command) -> None:
        name, typed = command.split()
        schema = self.offers.schemas.get(name, {})
        if name not in self.offers.tools:
            say(f"{self.offers.no_such_tool(name)} Calling it all the same.", "warning")
        if not typed and schema.get("properties") and not command.forced:
            values = await Form(schema, self._edit_file).ask()
            if isinstance(values, Left):
                say("Nothing was called.", "note")
                return
        else:
            try:
                values = parse_arguments(typed, coerce=coercer(schema))
            except ArgumentsError as error:
                raise CommandError(str(error)) from None
        await self._start(name, values, command)

    async def _edit(self, command: Command) -> None:
        name, typed = command.split()
        schema = self.offers.schemas.get(name, {})
        if self._edit_file is None:
            raise CommandError("no editor is set: set VISUAL or EDITOR")
        try:
            draft = write_json(change_arguments({}, typed, coerce=coercer(schema)) if typed else _empty(schema))
            values = parse_json_object(await self._edit_file(draft, ".json"))
        except (ArgumentsError, EditorFailed, JSONTextError) as error:
            raise CommandError(f"{error}. Nothing was called") from None
        if write_json(values) == draft and not typed:
            say("Nothing was changed, and nothing was called. /call sends it as it is.", "note")
            return
        await self._start(name, values, command)

    async def _start(self, name: str, values: dict[str, Any], command: Command) -> None:
        check = check_arguments(values, self.offers.schemas.get(name, {}))
        if not check.may_fit and not command.forced and self._refused != (name, values):
            self._refused = (name, values)
            for problem in check.problems:
                say(f"  {plain(str(problem), 300)}", "bad")
            say("Not sent: it does not fit the tool's schema. The same once more, or /call!, sends it.", "warning")
            return
        if not check.may_fit:
            say("  sent although it does not fit the tool's schema", "warning")
        self._refused = None
        self.followed = await self.calls.run(name, values, background=command.background)

    async def _log(self, command: Command) -> None:
        word = command.rest.removeprefix("#")
        if word.isascii() and word.isdecimal() and self.calls.log.find(number_of(word)) is not None:
            await self.calls.show_call(word)
        else:
            self.calls.show_log(command.rest)

    async def _result(self, command: Command) -> None:
        await self.calls.show_call(command.rest)

    async def _save(self, command: Command) -> None:
        self.calls.save(*command.split())

    async def _again(self, command: Command) -> None:
        self.prefill = self.calls.again(command.rest)

    async def _cancel(self, command: Command) -> None:
        self.calls.cancel(command.rest)

    # --- what waits --------------------------------------------------------------------------------

    async def _pending(self, command: Command) -> None:
        items = self._approver.queue.items if self._approver is not None else ()
        if command.rest:
            item = self._approver.queue.find(number_of(command.rest)) if self._approver is not None else None
            if item is None:
                raise CommandError("nothing of that number waits; /pending lists what does")
            self.opened = item
            return
        if not items:
            say("  nothing waits", "note")
            return
        draw(describe_pending(list(items[:MAX_PENDING_LISTED])))
        say("  /pending N opens one", "note")

    # --- what the server offers beside tools -------------------------------------------------------

    async def _resources(self, command: Command) -> None:
        await self.offers.list_resources(command.rest)

    async def _read(self, command: Command) -> None:
        await self.offers.read_resource(*command.split())

    async def _prompts(self, command: Command) -> None:
        await self.offers.list_prompts(command.rest)

    async def _prompt(self, command: Command) -> None:
        await self.offers.show_prompt(*command.split())

    async def _server(self, command: Command) -> None:
        await self.offers.show_log(command.rest)

    async def _help(self, command: Command) -> None:
        name = command.rest.removeprefix("/")
        if not name:
            for usage in COMMANDS.values():
                say(f"  {usage.typed:<48} {usage.meaning}")
            say("  The slash may be left out. Tab completes, Ctrl-R searches what was typed before.", "note")
            say("  A question opens by itself while the line is empty; with a draft it waits for /pending.", "note")
            return
        if name not in COMMANDS:
            raise CommandError("there is no such command; /help lists them")
        usage = COMMANDS[name]
        say(f"  {usage.typed}")
        for line in (usage.meaning, *usage.more):
            say(f"    {line}")


def _empty(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a draft begins with: every field that must be filled in, with nothing in it."""
    return {field.name: None if field.nullable else "" for field in read_form(schema).fields if field.required}

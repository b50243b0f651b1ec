"""What a server asks a person for while a tool runs: a form field by field, or a visit to a web page."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import anyio

from allowly_harness.approvers.chat.editor import EditFile
from allowly_harness.approvers.chat.form import Form, Left
from allowly_harness.approvers.chat.question import closing_words
from allowly_harness.approvers.chat.text import QuestionLine, columns, draw, say
from allowly_harness.approvers.elicitation import ElicitationReply
from allowly_harness.approvers.pending import PendingElicitation
from allowly_harness.display.card import Row, Section
from allowly_harness.display.hosts import host_remarks
from allowly_harness.display.layout import lay_out_sections
from allowly_harness.display.sanitize import Shown, block, identifier, joined, one_line, own

MAX_MESSAGE_LINES: Final = 20
"""Most lines of the server's message that are printed."""

OPENER_SECONDS: Final = 10.0
"""How long the system may take to start a browser."""

_LATER: Final = "later (it waits on), "

OpenPage = Callable[[str], bool]


async def ask_for(
    item: PendingElicitation,
    edit_file: EditFile | None,
    *,
    has_prompt: bool,
    open_page: OpenPage | None = None,
) -> ElicitationReply | None:
    """Ask for what a server wants.

    Returns:
        The reply; "cancel" on Ctrl-C, Ctrl-D and end of input. `None` where it was put aside.
    """
    _draw(item)
    try:
        if item.request.mode == "url":
            return await _visit(item, has_prompt=has_prompt, open_page=open_page or _open_in_browser)
        return await _fill(item, edit_file, has_prompt=has_prompt)
    except (KeyboardInterrupt, EOFError):
        say("Closed without an answer. Nothing was sent.", "warning")
        return ElicitationReply.cancel()
    except anyio.get_cancelled_exc_class():
        say(f"#{item.number} {closing_words(item.closure)}" if item.closure else "It was withdrawn.", "warning")
        raise


def _draw(item: PendingElicitation) -> None:
    request = item.request
    server = one_line(request.server.name, 100)
    says = tuple(Row(Shown(), line) for line in block(request.message, max_lines=MAX_MESSAGE_LINES))
    what = "VISIT A PAGE?" if request.mode == "url" else "THE SERVER ASKS YOU FOR VALUES"
    say("")
    say(f" #{item.number} {what} ", "title")
    configured = joined([" (", one_line(request.server.configured, 200), ")"]) if request.server.configured else ""
    asks = Section(joined(["ASKED BY ", server, configured]), ())
    said = Section(own("SERVER SAYS  (nobody checked this text)"), says, quoted=True)
    draw(lay_out_sections((asks, said), columns()))
    say("")
    say("  It is no approval. What you enter goes to this server; give it no password.", "note")


async def _fill(item: PendingElicitation, edit_file: EditFile | None, *, has_prompt: bool) -> ElicitationReply | None:
    line = QuestionLine(lambda: [("", f"fill | decline | {'later | ' if has_prompt else ''}?: ")], refresh=False)
    flush = True
    while True:
        typed = (await line.read(flush=flush)).strip().lower()
        flush = False
        match typed:
            case "fill":
                values = await Form(item.request.schema, edit_file).ask()
                if not isinstance(values, Left):
                    return ElicitationReply.accept(values)
                say("Nothing was sent.", "note")
            case "decline":
                return ElicitationReply.decline()
            case "later" if has_prompt:
                say(f"Put aside, the tool waits on: /pending {item.number}", "note")
                return None
            case _:
                later = _LATER if has_prompt else ""
                say(f"Type fill (field by field), decline (refuse), {later}or Ctrl-C to close it.", "warning")


async def _visit(item: PendingElicitation, *, has_prompt: bool, open_page: OpenPage) -> ElicitationReply | None:
    url = item.request.url or ""
    problem = _draw_page(url)
    line = QuestionLine(lambda: [("", f"open | done | decline | {'later | ' if has_prompt else ''}?: ")], refresh=False)
    asked, flush = False, True
    while True:
        typed = (await line.read(flush=flush)).strip().lower()
        flush = False
        match typed:
            case "open" if problem:
                say(f"It is not opened: {problem}.", "bad")
            case "open" if not asked:
                asked = True
                say("The page learns that you came. Type open once more to open it in your browser.", "warning")
            case "open":
                await _open(url, open_page)
            case "done":
                return ElicitationReply.accept()
            case "decline":
                return ElicitationReply.decline()
            case "later" if has_prompt:
                say(f"Put aside, the tool waits on: /pending {item.number}", "note")
                return None
            case _:
                later = _LATER if has_prompt else ""
                say(
                    f"Type open, done (you have been there), decline (refuse), {later}or Ctrl-C to close it.", "warning"
                )


def _draw_page(url: str) -> str:
    """Print the address whole, with what is odd about its host; return why it cannot be opened, or nothing."""
    problem, host = _host_of(url)
    rows = [Row(own("address"), one_line(url, len(url)), alone=True)]
    if host:
        rows.append(Row(own("host"), identifier(host)))
    remarks = [*host_remarks(url), *([problem] if problem else [])]
    rows += [Row(own("look"), own(remark), warning=True) for remark in dict.fromkeys(remarks)]
    draw(lay_out_sections((Section(own("THE PAGE"), tuple(rows)),), columns()))
    return problem


def _host_of(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "it is no address", ""
    if parts.scheme not in ("https", "http"):
        return "only https and http are opened", host
    if not host:
        return "it names no host", ""
    if parts.username is not None or parts.password is not None:
        return "it carries a name or a password before the host", host
    return "", host


def _open_in_browser(url: str) -> bool:
    # Without a display the browser that is found may be one that draws on this very terminal.
    if sys.platform not in ("darwin", "win32") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(url)


async def _open(url: str, open_page: OpenPage) -> None:
    opened = False
    with anyio.move_on_after(OPENER_SECONDS):
        opened = await anyio.to_thread.run_sync(open_page, url, abandon_on_cancel=True)
    say(
        "Opened. Type done when you are finished there."
        if opened
        else "No browser could be started here; copy the address.",
        "note",
    )

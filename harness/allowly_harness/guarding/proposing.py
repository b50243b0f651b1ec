"""Writes the policy that a server's own list of tools suggests: what it says only reads is allowed, the rest is asked.

What a server says of its tools is its own claim and proves nothing. The text says so, and says for each line what
it rests on, for a person who reads it before relying on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from allowly_harness.bridge.eras import Wire
from allowly_harness.display.sanitize import one_line
from allowly_harness.guarding.survey import Offer
from allowly_middleware.pipeline.patterns import Pattern

MAX_COMMENT_CHARACTERS: Final = 100
"""How much of a tool's description stands in a comment."""

_HEAD: Final = """\
# What may be called on {server}, and who is asked before.
# Written by allowly-harness guard --init. Read it, change it, then guard the server with it.
#
#   allow              runs at once
#   confirm            runs when the user says yes
#   escalate to NAME   runs when that approver says yes
#   deny               never runs, and is not listed
#
# The strictest line that fits decides, whatever the order. What each tool does was taken from what the server says
# of it (readOnlyHint, destructiveHint). THESE ARE THE SERVER'S OWN CLAIMS: nothing has checked them.

# What no line is for, such as a tool that a new release of the server brings.
default = "confirm"
"""


class Proposed(NamedTuple):
    """What is proposed for one tool.

    Attributes:
        effect: In the words of policy files.
        why: What that rests on.
    """

    effect: str
    why: str


def propose(tool: Wire, escalate_to: str | None = None) -> Proposed:
    """Return what is proposed for a tool, by its annotations.

    Args:
        tool: As the server lists it.
        escalate_to: Who is to approve what destroys; `None` for the user.
    """
    said: Any = tool.get("annotations")
    said = said if isinstance(said, dict) else {}
    if said.get("destructiveHint") is True:
        effect = "confirm" if escalate_to is None else f"escalate to {escalate_to}"
        return Proposed(effect, "it says that it may destroy something")
    if said.get("readOnlyHint") is True:
        outside = ", from outside of this computer" if said.get("openWorldHint") is True else ""
        return Proposed("allow", f"it says that it only reads{outside}")
    if said.get("destructiveHint") is False:
        return Proposed("confirm", "it says that it changes something, without destroying anything")
    return Proposed("confirm", "it does not say what it does to its surroundings")


def policy_text(server: str, offer: Offer, escalate_to: str | None = None) -> str:
    """Return a policy file for a server.

    Args:
        server: What it is called in the policy.
        offer: What it offers.
        escalate_to: Who is to approve what destroys; `None` for the user.
    """
    lines = [_HEAD.format(server=server)]
    if offer.tools:
        lines += ["[tools]", *_tool_lines(server, offer.tools, escalate_to), ""]
    for kind, offered in (("resources", offer.resources), ("prompts", offer.prompts)):
        if offered:
            lines += [f"[{kind}]", f"# Nobody can be asked about {kind}: they are allowed, or denied."]
            lines += [f'{_quoted(f"{server}.*")} = "allow"', ""]
    return "\n".join(lines)


def _tool_lines(server: str, tools: list[Wire], escalate_to: str | None) -> Iterator[str]:
    seen: set[str] = set()
    for tool in sorted(tools, key=lambda tool: tool["name"]):
        name = tool["name"]
        if name in seen:
            continue
        seen.add(name)
        same = [propose(one, escalate_to) for one in tools if one["name"] == name]
        # Of several tools of one name, nobody knows which will be called.
        proposed = next((one for one in same if one.effect != "allow"), same[0])
        yield from _lines(server, tool, proposed)


def _lines(server: str, tool: Wire, proposed: Proposed) -> Iterator[str]:
    description = tool.get("description") or tool.get("title")
    if isinstance(description, str) and description.strip():
        yield f"# {one_line(description.strip(), MAX_COMMENT_CHARACTERS).text}"
    pattern = str(Pattern.exact(server, tool["name"]))
    try:
        pattern.encode()
        Pattern.parse(pattern)
    except ValueError:
        yield "# A tool whose name cannot stand in a file; the default is for it."
        return
    yield f"{_quoted(pattern)} = {_quoted(proposed.effect)}  # {proposed.why}"


def _quoted(text: str) -> str:
    """Return a string as TOML writes it; what cannot be seen is escaped."""
    return f'"{"".join(map(_character, text))}"'


def _character(character: str) -> str:
    if character in {'"', "\\"}:
        return f"\\{character}"
    if character.isprintable() or "\ud800" <= character <= "\udfff":
        return character
    return f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}"

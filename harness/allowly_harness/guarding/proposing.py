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
from allowly_middleware.policy.writing import PolicyLine, toml_string, write_policy

MAX_DESCRIPTION_CHARACTERS: Final = 60
"""How much of a tool's description stands in a comment."""

_HEADING: Final = (
    "What may be called on {server}, and who is asked before.",
    "",
    "- allow: it runs at once",
    "- confirm: it runs when the user says yes",
    "- escalate to NAME: it runs when that approver says yes",
    "- deny: it never runs, and is not listed",
    "",
    "The strictest line that fits decides, whatever the order.",
    "",
    "Written by allowly-harness guard --init, from what the server says of its tools (readOnlyHint,",
    "destructiveHint). THESE ARE THE SERVER'S OWN CLAIMS: nothing has checked them. Read every line.",
)
_OTHERS: Final = """
[{kind}]
# Nobody can be asked about {kind}: they are allowed, or denied.
{pattern} = "allow"
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
        return Proposed(effect, "says that it may destroy")
    if said.get("readOnlyHint") is True:
        return Proposed(
            "allow", f"says that it only reads{', also elsewhere' if said.get('openWorldHint') is True else ''}"
        )
    if said.get("destructiveHint") is False:
        return Proposed("confirm", "says that it changes, and destroys nothing")
    return Proposed("confirm", "does not say what it changes")


def policy_text(server: str, offer: Offer, escalate_to: str | None = None) -> str:
    """Return a policy file for a server.

    Args:
        server: What it is called in the policy.
        offer: What it offers.
        escalate_to: Who is to approve what destroys; `None` for the user.

    Raises:
        ValueError: `escalate_to` cannot be written in a policy.
    """
    heading = [line.format(server=server) for line in _HEADING]
    unnamed = sum(not _can_be_named(server, name) for name in {tool["name"] for tool in offer.tools})
    if unnamed:
        heading += ["", f"{unnamed} of its tools have names that cannot stand in a file; the default is for them."]
    text = write_policy(_lines(server, offer.tools, escalate_to), name=server, default="confirm", heading=heading)
    for kind, offered in (("resources", offer.resources), ("prompts", offer.prompts)):
        if offered:
            text += _OTHERS.format(kind=kind, pattern=toml_string(f"{server}.*"))
    return text


def _lines(server: str, tools: list[Wire], escalate_to: str | None) -> Iterator[PolicyLine]:
    by_name: dict[str, list[Wire]] = {}
    for tool in tools:
        by_name.setdefault(tool["name"], []).append(tool)
    for name, same in sorted(by_name.items()):
        # Of several tools of one name nobody knows which will be called.
        proposed = [propose(tool, escalate_to) for tool in same]
        effect, why = next((one for one in proposed if one.effect != "allow"), proposed[0])
        if _can_be_named(server, name):
            yield PolicyLine(server, name, effect, f"{why}{_described(same[0])}")


def _described(tool: Wire) -> str:
    said = next((text for text in (tool.get("title"), tool.get("description")) if isinstance(text, str)), "").strip()
    return f": {one_line(said.splitlines()[0], MAX_DESCRIPTION_CHARACTERS)}" if said else ""


def _can_be_named(server: str, name: str) -> bool:
    pattern = str(Pattern.exact(server, name))
    try:
        toml_string(pattern)
        Pattern.parse(pattern)
    except ValueError:
        return False
    return True

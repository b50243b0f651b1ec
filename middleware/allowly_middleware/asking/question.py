"""The question as a form: its text, its fields, and what counts as a yes.

The text is built from our own copy of the call. What comes from elsewhere stands below it, quoted and
labelled. No field has a default, and the first choice is "deny", so that sending an untouched form
approves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from allowly_authority.binding import is_bound_resource
from allowly_middleware.asking import visible

QUESTION_KEY: Final = "allowly-approval"
"""The name of our one request in `inputRequests`, and of its answer in `inputResponses`."""

APPROVAL_SECONDS: Final = 10
"""How long an approval may be used. The gate uses it at once; the rest is for a check that must be repeated."""

MAX_TEXT_CHARACTERS: Final = 4000
"""Longest text of a question. A call that does not fit is not asked this way: nobody approves what they cannot read."""

MAX_TEXT_LINES: Final = 80
"""Most lines of it, for the same reason."""

LINE_CHARACTERS: Final = 100
"""Where a long value goes on in the next line: hosts may draw the lines without wrapping them."""

MAX_WORDS_CHARACTERS: Final = 300
"""How much of the policy's own words is shown."""

_ORDINARY: Final = re.compile(r"[A-Za-z0-9_./-]{1,64}")

Said = Literal["approve", "deny", "nothing"]


def word_for(tool: str) -> str:
    """Return what must be typed to approve a destructive call: the tool's name, if that can be typed."""
    return tool if _ORDINARY.fullmatch(tool) else "approve"


def text_of(
    tool: str, arguments: Mapping[str, Any], payload: Mapping[str, Any], resource: str | None, word: str
) -> str | None:
    """Return the text of a question; `None` if the call is too large to be shown whole.

    Args:
        tool: The tool.
        arguments: What it will run with.
        payload: The authority's decision, as a client sees it.
        resource: What a yes is bound to.
        word: What must be typed for a yes; "" for a call that is not destructive.
    """
    # Indented by four spaces, so that hosts that draw Markdown take it literally.
    shown = _folded(f"    tool: {visible.name(tool)}")
    shown += ["    arguments:" if arguments else "    arguments: none"]
    for argument in sorted(arguments):
        shown += _folded(f"      {visible.name(argument)}: {visible.value(arguments[argument])}")
    lines = ["May this tool run?", "", *shown, ""]
    if word:
        lines += ["This tool is marked as destructive.", ""]
    lines += [_opens(resource), "", *_words(payload)]
    text = "\n".join(lines)
    return text if len(text) <= MAX_TEXT_CHARACTERS and len(lines) <= MAX_TEXT_LINES else None


def schema_of(word: str) -> dict[str, Any]:
    """Return the fields of the form.

    Args:
        word: As for `text_of`.
    """
    properties: dict[str, Any] = {
        "decision": {
            "type": "string",
            "title": "Decision",
            "description": "deny: the tool does not run. approve: it runs as shown.",
            "enum": ["deny", "approve"],
        }
    }
    if word:
        properties["typed"] = {"type": "string", "title": f"To approve, type: {word}", "maxLength": 64}
    return {"type": "object", "properties": properties, "required": ["decision"]}


def said_in(responses: object, word: str) -> Said:
    """Return what the person said.

    Args:
        responses: The answers to all that was asked for, as they came.
        word: As for `text_of`.

    Returns:
        "nothing" for a form that was closed, and for every answer that is not exactly a yes or a no.
    """
    response = _mapping(_mapping(responses).get(QUESTION_KEY))
    if response.get("action") == "decline":
        return "deny"
    if response.get("action") != "accept":
        return "nothing"
    content = _mapping(response.get("content"))
    match content.get("decision"):
        case "deny":
            return "deny"
        case "approve" if not word or _typed(content.get("typed")) == word:
            return "approve"
        case _:
            return "nothing"


def _typed(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[str, Any]:
    dump = getattr(value, "model_dump", None)
    plain = value if dump is None else dump()
    return cast("Mapping[str, Any]", plain) if isinstance(plain, Mapping) else {}


def _opens(resource: str | None) -> str:
    if is_bound_resource(resource):
        return "If you approve, it runs once, with exactly these arguments."
    return (
        f"If you approve, it runs. For up to {APPROVAL_SECONDS} seconds "
        "other calls that the policy takes for the same may run, too."
    )


def _words(payload: Mapping[str, Any]) -> list[str]:
    lines = _folded(f"    reason: {visible.cut(str(payload.get('reason')), MAX_WORDS_CHARACTERS)}")
    hint = payload.get("confirm_prompt_hint")
    if isinstance(hint, str) and hint:
        lines += _folded(f"    hint: {visible.cut(hint, MAX_WORDS_CHARACTERS)}")
    return ["In the policy's own words:", "", *lines]


def _folded(line: str) -> list[str]:
    rest = line[LINE_CHARACTERS:]
    room = LINE_CHARACTERS - 8
    return [line[:LINE_CHARACTERS], *(f"        {rest[at : at + room]}" for at in range(0, len(rest), room))]

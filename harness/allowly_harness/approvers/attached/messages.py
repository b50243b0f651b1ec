"""The messages between an agent and the terminals that answer for it: what each side says, and how it is written.

The agent speaks first. Both say which version they speak; what is not understood ends the connection
with a sentence, never with a guess.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from allowly_harness._version import __version__
from allowly_harness.approvers.attached import values
from allowly_harness.approvers.attached.fields import Fields
from allowly_harness.approvers.attached.frames import WireError, encode
from allowly_harness.approvers.attached.values import Asked, Said
from allowly_harness.approvers.base import Closure, WaitStatus

PROTOCOL: Final = "allowly-harness/approve"
VERSION: Final = 1
"""Raised when a message changes. An agent and a terminal of different versions do not talk."""

MAX_NAME_CHARACTERS: Final = 128
"""Longest name of an agent or of the person at a terminal."""

MAX_NUMBER: Final = 2**53


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks. It may hold members that are not known, so that other versions can say so.

    Attributes:
        name: What the agent is called; who is at the terminal.
        place: Where: the agent's process, or the terminal's name.
        program: The version of this program, for a person to read.
    """

    name: str
    place: str
    version: int = VERSION
    program: str = __version__


@dataclass(frozen=True, slots=True)
class Question:
    """The agent asks, or begins to wait for somebody else where `status` is given."""

    number: int
    request: Asked
    status: WaitStatus | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """All that was open when the terminal was attached has been sent."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an awaited escalation stands."""

    number: int
    status: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Closed:
    """A question is over."""

    number: int
    closure: Closure


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an answer: it counts, or a sentence why not."""

    number: int
    counts: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Bye:
    """The connection ends, for a reason in a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """The person's answer to a question, with the digest of what was shown to them."""

    number: int
    seal: str
    said: Said


@dataclass(frozen=True, slots=True)
class Wish:
    """Something that decides nothing: "check" asks the authority now, "release" shows a question no longer."""

    number: int
    what: Literal["check", "release"]


Message: TypeAlias = Hello | Question | Listed | Standing | Closed | Verdict | Bye | Spoken | Wish

_WISHES: Final[tuple[Literal["check", "release"], ...]] = ("check", "release")


def written(message: Message) -> bytes:
    """Write a message, without its length.

    Raises:
        WireError: It holds something that cannot be sent.
    """
    match message:
        case Hello():
            body: dict[str, Any] = {
                "type": "hello",
                "protocol": PROTOCOL,
                "version": message.version,
                "program": message.program,
                "name": message.name,
                "place": message.place,
            }
        case Question(number, request, status):
            shown = None if status is None else values.dump_status(status)
            body = {"type": "question", "number": number, "request": values.dump_asked(request), "status": shown}
        case Listed():
            body = {"type": "listed"}
        case Standing(number, status):
            body = {"type": "status", "number": number, "status": status}
        case Closed(number, closure):
            body = {"type": "closed", "number": number, "closure": values.dump_closure(closure)}
        case Verdict(number, counts, why):
            body = {"type": "verdict", "number": number, "counts": counts, "why": why}
        case Bye(why):
            body = {"type": "bye", "why": why}
        case Spoken(number, seal, said):
            body = {"type": "said", "number": number, "seal": seal, "said": values.dump_said(said)}
        case Wish(number, what):
            body = {"type": "wish", "number": number, "what": what}
    return encode(body)


def read_hello(value: Mapping[str, Any]) -> Hello | Bye:
    """Read the first message of the other side.

    Raises:
        WireError: It is another protocol, or another version, or no greeting.
    """
    if value.get("type") == "bye":
        return Bye(str(value.get("why", ""))[:500])
    version, program = value.get("version"), value.get("program")
    if value.get("type") != "hello" or value.get("protocol") != PROTOCOL:
        raise WireError("the other side is no part of allowly-harness: it speaks another protocol")
    if type(version) is not int or version != VERSION:
        other = program[:40] if isinstance(program, str) else "unknown"
        raise WireError(
            f"the other side is allowly-harness {other} and speaks another version of the protocol "
            f"than allowly-harness {__version__} (version {VERSION}); use the same on both sides"
        )
    name, place = value.get("name"), value.get("place")
    if not isinstance(name, str) or not isinstance(place, str):
        raise WireError("the other side did not say who it is")
    return Hello(name[:MAX_NAME_CHARACTERS], place[:MAX_NAME_CHARACTERS], VERSION, str(program)[:40])


FromAgent: TypeAlias = Question | Listed | Standing | Closed | Verdict | Bye


def read_from_agent(value: Mapping[str, Any]) -> FromAgent:
    """Read what an agent says after its greeting.

    Raises:
        WireError: It is no message of an agent.
    """
    fields = Fields(value, "a message")
    kind = fields.choice("type", ("question", "listed", "status", "closed", "verdict", "bye"))
    message: FromAgent
    if kind in {"bye", "listed"}:
        message = Bye(fields.text("why")) if kind == "bye" else Listed()
        fields.end()
        return message
    number = fields.number("number", 1, MAX_NUMBER)
    match kind:
        case "question":
            message = Question(number, values.load_asked(fields.document("request")), _status(fields))
        case "status":
            message = Standing(number, fields.document("status"))
        case "closed":
            message = Closed(number, values.load_closure(fields.document("closure")))
        case _:
            message = Verdict(number, fields.truth("counts"), fields.text("why"))
    fields.end()
    return message


def read_from_terminal(value: Mapping[str, Any]) -> Spoken | Wish:
    """Read what a terminal says after its greeting.

    Raises:
        WireError: It is no message of a terminal.
    """
    fields = Fields(value, "a message")
    kind, number = fields.choice("type", ("said", "wish")), fields.number("number", 1, MAX_NUMBER)
    message: Spoken | Wish
    if kind == "said":
        message = Spoken(number, fields.text("seal"), values.load_said(fields.document("said")))
    else:
        message = Wish(number, fields.choice("what", _WISHES))
    fields.end()
    return message


def _status(fields: Fields) -> WaitStatus | None:
    document = fields.document_or_none("status")
    if document is None:
        return None
    status = WaitStatus()
    values.load_status(document, status)
    return status


def own_place() -> str:
    """Say where this process runs, for the other side to show: its terminal, or its number."""
    try:
        return os.ttyname(0).removeprefix("/dev/")
    except OSError:
        return f"process {os.getpid()}"

"""The seeded bugs of everything round the flow. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

HARNESS = "harness/allowly_harness/"


def table(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/lifecycle.py", old, new)


def wire(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/wire.py", old, new)


def performer(old: str, new: str) -> Patch:
    return Patch(HARNESS + "performing/performer.py", old, new)


def asking(old: str, new: str) -> Patch:
    return Patch(HARNESS + "performing/asking.py", old, new)


def awaiting(old: str, new: str) -> Patch:
    return Patch(HARNESS + "performing/awaiting.py", old, new)


def session(old: str, new: str) -> Patch:
    return Patch(HARNESS + "session/conversing.py", old, new)


def driver(old: str, new: str) -> Patch:
    return Patch(HARNESS + "driver.py", old, new)


def models(old: str, new: str) -> Patch:
    return Patch(HARNESS + "protocol/models.py", old, new)


def binding(old: str, new: str) -> Patch:
    return Patch("middleware/allowly_authority/binding.py", old, new)


WIRE = (
    Mutant(
        "a successful result is a decision",
        "G9",
        (wire("return _bare(reply) if accept_bare else None", "return _bare(reply)"),),
        ("wire",),
    ),
    Mutant(
        "a printed decision is a decision",
        "G9",
        (wire("    if not reply.is_error:\n", "    if accept_bare:\n"),),
        ("wire", "property"),
    ),
    Mutant("any id will do", "G9", (wire("_ID.fullmatch(value) is None", "not value"),), ("wire", "property")),
    Mutant(
        "a decision without an id is an ordinary error",
        "G9",
        (
            wire(
                '    if nonce is None:\n        return Deny("malformed_decision")',
                "    if nonce is None:\n        return None",
            ),
        ),
        ("wire",),
    ),
    Mutant(
        "of two nonces the last counts",
        "G9",
        (wire("doubled = doubled or len(found) != len(pairs)", "doubled = False"),),
        ("wire",),
    ),
    Mutant(
        "a server says how long a question lives",
        "G6",
        (wire("min(sent, received_at + CONFIRM_LIFE) if sent", "sent if sent"),),
        ("wire",),
    ),
    Mutant("NaN is JSON", "G9", (wire(", parse_constant=_no_constant", ""),), ("wire",)),
    Mutant(
        "deep nesting breaks the reader",
        "G9",
        (wire("except (ValueError, RecursionError):", "except ValueError:"),),
        ("wire",),
    ),
)

LIFECYCLE = (
    Mutant(
        "table: a yes may follow a no",
        "G1",
        (table('State.NO: {"post_no"', 'State.NO: {"post_yes": State.POSTING_YES, "post_no"'),),
        ("lifecycle",),
    ),
    Mutant(
        "table: a lost reply may be followed",
        "G4",
        (table('"no_result": State.OVER', '"no_result": State.OPENED'),),
        ("lifecycle",),
    ),
    Mutant(
        "table: a conflict opens",
        "G5",
        (table("PostedAs.GONE, PostedAs.LOST}", "PostedAs.GONE, PostedAs.LOST, PostedAs.CONFLICT}"),),
        ("lifecycle",),
    ),
    Mutant(
        "table: silence is a yes",
        "G1",
        (table('AnswerKind.APPROVE: "yes",', 'AnswerKind.APPROVE: "yes", AnswerKind.EXPIRED: "yes",'),),
        ("lifecycle",),
    ),
    Mutant(
        "table: any resolution opens",
        "G5",
        (table('"resolved" if resolution is Resolution.APPROVED else "unresolved"', '"resolved"'),),
        ("lifecycle",),
    ),
)

EDGES = (
    Mutant(
        "a late yes counts",
        "G1",
        (asking("late = now >= request.expires_at", "late = False"),),
        ("driver",),
    ),
    Mutant(
        "an approver that crashes has approved",
        "G1",
        (
            asking(
                'closed without an answer.")\n                self._said = Answer.cancel()',
                'closed without an answer.")\n                self._said = Answer.approve()',
            ),
        ),
        ("driver", "session"),
    ),
    Mutant(
        "anything an approver returns is an answer",
        "G1",
        (asking("checked(await self.desk.ask(self.request))", "await self.desk.ask(self.request)"),),
        ("driver",),
    ),
    Mutant(
        "a cancelled question stays open",
        "G1",
        (
            performer(
                "except get_cancelled_exc_class():\n            await self._withdraw()\n",
                "except get_cancelled_exc_class():\n",
            ),
        ),
        ("driver", "session"),
    ),
    Mutant(
        "a lost post counts as not sent",
        "G3",
        (performer("PostedAs.LOST if error.sent else PostedAs.NOT_SENT", "PostedAs.NOT_SENT"),),
        ("session",),
    ),
    Mutant(
        "whatever the authority answers is taken for a yes",
        "G10",
        (performer("Posted(PostedAs.ACCEPTED) if as_said else", "Posted(PostedAs.ACCEPTED) if as_said or True else"),),
        ("driver",),
    ),
    Mutant(
        "a post is cut short by a cancellation",
        "G3",
        (
            performer(
                "    with anyio.CancelScope(shield=True):\n        try:\n            as_said",
                "    with anyio.CancelScope():\n        try:\n            as_said",
            ),
        ),
        ("driver",),
    ),
    Mutant(
        "a call cancelled while its yes was posted is sent",
        "G4",
        (performer("            await checkpoint_if_cancelled()\n", "            pass\n"),),
        ("driver",),
    ),
    Mutant(
        "a forged question is merely unverifiable",
        "G13",
        (performer("NoRecord(LookupFailure.UNKNOWN_PROMPT)", "NoRecord(LookupFailure.UNSUPPORTED)"),),
        ("session",),
    ),
    Mutant(
        "giving up loses against the last poll",
        "G5",
        (awaiting("self._said or self._found or resolution", "self._found or self._said or resolution"),),
        ("driver",),
    ),
    Mutant(
        "the record's clock is believed",
        "G6",
        (
            performer(
                "left = min(max(found.expires_at - found.now, timedelta()), longest)",
                "left = found.expires_at - found.now",
            ),
        ),
        ("driver",),
    ),
    Mutant(
        "the caller's own dict is sent",
        "G2",
        (
            session(
                "_Sending(self, call, arguments is None, send, options, written)",
                "_Sending(self, call, arguments is None, lambda payload, its: send("
                "arguments if sending._sent is call else payload, its), options, written)",
            ),
        ),
        ("session",),
    ),
    Mutant(
        "a retry that got no reply is sent once more",
        "G4",
        (
            session(
                "            return _no_reply(error)\n",
                "            return self.conversing.reply(await self.deliver(call))\n",
            ),
        ),
        ("session",),
    ),
    Mutant("the table is not asked", "G1 G4", (driver("            life.before(effect)\n", ""),), ("driver",)),
    Mutant(
        "a conversation is left open",
        "G1",
        (driver("    finally:\n        flow.close()", "    finally:\n        pass"),),
        ("driver",),
    ),
    Mutant(
        "the flow is not told of errors",
        "G10",
        (driver("                effect = flow.throw(error)", "                raise"),),
        ("driver",),
    ),
    Mutant(
        "names are sorted by code point",
        "G2",
        (binding("names.sort(key=None if all(map(str.isascii, names)) else _utf16)", "names.sort()"),),
        ("binding",),
    ),
    Mutant(
        "large integers are rounded",
        "G2",
        (binding("return int.__repr__(value)", "return int.__repr__(int(float(value)))"),),
        ("binding",),
    ),
    Mutant(
        "a resource does not name the tool",
        "G13",
        (binding('f"mcp:{tool}#sha256:', 'f"mcp:tool#sha256:'),),
        ("binding", "steps"),
    ),
    Mutant(
        "the view of the arguments can be changed",
        "G2",
        (models("return tuple(_frozen(item) for item in value)", "return [_frozen(item) for item in value]"),),
        ("binding",),
    ),
    Mutant(
        "the call holds the caller's own dict",
        "G2",
        (
            models(
                "self._canonical = canonical_json(arguments)",
                "self._canonical, self._kept = canonical_json(arguments), arguments",
            ),
            models('__slots__ = ("_canonical", ', '__slots__ = ("_kept", "_canonical", '),
            models(
                "arguments: dict[str, Any] = _decode(self._canonical)", "arguments: dict[str, Any] = dict(self._kept)"
            ),
        ),
        ("binding", "session"),
    ),
)

MUTANTS = (*WIRE, *LIFECYCLE, *EDGES)

"""The offer to remember a yes, on a terminal line: what is typed, the literal rule, and a yes of its own.

`remember ...` only shows the rule that would be kept. It is kept, and the call approved, by `save` with a code that is
drawn after the rule was printed; so nothing that was typed before can save it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allowly_harness.approvers.chat.reply import DrawCode, Reply, Verb
from allowly_harness.approvers.chat.text import say

if TYPE_CHECKING:
    from allowly_harness.grants.remembering import Grants
    from allowly_harness.grants.rules import Ends, Rule
    from allowly_harness.protocol.models import ApprovalRequest, ToolCall

SAVE: Final = "save"
"""What saves a rule, with its code."""

HELP: Final = (
    "remember call 10 times            exactly this call",
    "remember with NAME 30 minutes     this tool, with NAME as it is now and any value of the other arguments",
    "remember tool session             this tool, with any arguments",
    "It ends after 1 to 1440 minutes, after 1 to 100 times, or with this session; name one or more of these.",
)


class OfferError(Exception):
    """What was typed is no rule; the text says what to type."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A rule that was shown and may be saved.

    Attributes:
        code: What saves it.
    """

    rule: Rule
    ends: Ends
    code: str


def parse_offer(text: str, call: ToolCall) -> tuple[Rule, Ends]:
    """Understand what stands behind `remember`.

    Raises:
        OfferError: It is no rule.
    """
    from allowly_harness.grants.rules import Rule

    words = text.replace(",", " ").split()
    scope, rest = (words[0].lower(), words[1:]) if words else ("", [])
    names = _names(rest, call) if scope == "with" else []
    try:
        match scope:
            case "call":
                rule = Rule.exactly(call)
            case "tool":
                rule = Rule.any_call()
            case "with":
                rule = Rule.values(call, names)
            case _:
                raise OfferError("Say for what: remember call, remember with NAME, or remember tool.")
        return rule, _ends(rest[len(names) :])
    except ValueError as error:
        raise OfferError(f"That is no rule: {error}.") from None


def _names(words: list[str], call: ToolCall) -> list[str]:
    known, names = set(call.payload()), list[str]()
    for word in words:
        if word not in known:
            break
        names.append(word)
    return names


def _ends(words: list[str]) -> Ends:
    from allowly_harness.grants.rules import Ends

    minutes, uses, session = None, None, False
    words = [word.lower() for word in words if word.lower() not in ("for", "and", "this")]
    while words:
        word = words.pop(0)
        if word == "session":
            session = True
        elif word == "once":
            uses = 1
        elif word.isascii() and word.isdecimal() and len(word) <= 4 and words and words[0] in _UNITS:  # noqa: PLR2004
            if _UNITS[words.pop(0)] == "minutes":
                minutes = int(word)
            else:
                uses = int(word)
        else:
            raise OfferError(f"{word!r} is neither an argument of this call nor an end of a rule.")
    return Ends(minutes, uses, session)


_UNITS: Final = {
    **dict.fromkeys(("minutes", "minute", "min"), "minutes"),
    **dict.fromkeys(("times", "time", "uses"), "uses"),
}


class Offering:
    """The offer of one question.

    Args:
        request: The question.
        grants: Where a yes is remembered; `None` where none is.
        draw_code: Draws the code of a rule that was shown.
        word: For a dangerous call, the word that saving must name too.
    """

    def __init__(self, request: ApprovalRequest, grants: Grants | None, draw_code: DrawCode, word: str = "") -> None:
        self._request = request
        self._grants = grants
        self._draw_code = draw_code
        self._word = word
        self._wanted: Wanted | None = None

    @property
    def open(self) -> bool:
        """Whether a yes to this question may be remembered."""
        return self._grants is not None and not self._grants.objection(self._request)

    def show(self, text: str) -> None:
        """Print the rule that `remember TEXT` would keep, and what saves it; or how rules are typed."""
        self._wanted = None
        if self._grants is None or not text:
            for line in HELP:
                say(f"  {line}", "note")
            return
        try:
            rule, ends = parse_offer(text, self._request.call)
        except OfferError as error:
            say(f"{error} Nothing was decided.", "warning")
            say("  remember alone says how rules are typed", "note")
            return
        from allowly_harness.grants.words import end_words, rule_words

        self._wanted = Wanted(rule, ends, self._draw_code())
        words = rule_words(self._grants.binding(self._request), rule).text
        say("  THE RULE. Nobody is asked about calls that it fits:", "warning")
        say(f"  {words},", "heading")
        say(f"  {end_words(ends, self._grants.until(ends))}", "heading")
        say("  It ends at once if the tool's definition changes. A policy's no still counts.", "note")
        say(f"  To save it and run this call: {self._typed}", "warning")

    def read(self, line: str, *, pasted: bool) -> Reply | None:
        """Understand a line that begins with `save`; `None` for any other."""
        words = line.lower().split()
        if not words or words[0] != SAVE:
            return None
        if self._wanted is None:
            return Reply(Verb.NONE, "There is no rule to save. remember shows one.")
        if pasted:
            return Reply(Verb.NONE, "Pasted text saves nothing. Type it.")
        if words != self._typed.lower().split():
            return Reply(Verb.NONE, f"To save the rule, type: {self._typed}.")
        return Reply(Verb.SAVE)

    async def save(self) -> str:
        """Keep the rule that was shown.

        Returns:
            The id of the grant; empty where it could not be kept, which has been said then.
        """
        from allowly_harness.grants.store import GrantError

        wanted, self._wanted = self._wanted, None
        if wanted is None or self._grants is None:
            return ""
        try:
            grant = await self._grants.save(self._request, wanted.rule, wanted.ends)
        except GrantError as error:
            say(f"Not saved: {error} Nothing was decided.", "bad")
            return ""
        say(f"Saved as grant {grant.id}. /revoke {grant.id} takes it back.", "note")
        return grant.id

    async def take_back(self, grant_id: str) -> None:
        """Revoke what was saved a moment ago, because the question had ended by then."""
        if self._grants is not None:
            await self._grants.revoke(grant_id)

    @property
    def _typed(self) -> str:
        code = self._wanted.code if self._wanted is not None else ""
        return f"{SAVE} {code} {self._word}".strip()

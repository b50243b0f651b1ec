"""Who works here: the names of the holder of a key, and what the key may decide."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from allowly_authority.errors import NotFound
from allowly_harness.protocol.errors import ConfigurationError

if TYPE_CHECKING:
    from allowly_authority import AuthorityClient
    from allowly_authority.wire.inbox_replies import PromptItem
    from allowly_authority.wire.operator_replies import HolderReply

NO_INBOX: Final = (
    "this authority does not tell what waits; an inbox needs the authority of this project (allowly-harness authority)"
)
GATES_KEY: Final = (
    "this is the key of a gate: it checks, and sees nothing that waits. Make a key for the person who approves: "
    "allowly-harness authority keys create NAME --role approver --address ADDRESSEE"
)
TELLS_NOBODY_APART: Final = (
    "This is the workspace key: it tells nobody apart, so the record says whatever name is given here. "
    "Keys for people: allowly-harness authority keys create NAME --role approver"
)


class InboxProblem(ConfigurationError):
    """The key, the name or the authority is not one to open an inbox with; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The holder of a key, as far as an inbox is concerned.

    Attributes:
        names: Under which escalations are addressed to it; empty for a key that answers for everybody.
        acting_as: The one name that this inbox is opened for; `None` for all of the holder's.
        decides: Whether the key may decide anything.
        everybody: Whether it is the workspace key, which answers for everybody.
        principal_id: Whose key it is.
    """

    names: frozenset[str]
    acting_as: str | None
    decides: bool
    everybody: bool
    principal_id: str

    @property
    def label(self) -> str:
        """For whom the inbox is, in a few words; any text."""
        if self.acting_as is not None and self.acting_as != self.principal_id:
            return f"{self.acting_as} ({self.principal_id})"
        others = self.names - {self.principal_id, _member(self.principal_id)}
        return self.acting_as or ", ".join([self.principal_id, *sorted(others)])

    @property
    def filter(self) -> str | None:
        """Which addressee the authority is asked about; `None` for all that the key may see."""
        return self.acting_as

    def may_decide(self, item: PromptItem) -> bool:
        """Tell whether a question is decided here: an escalation, to one of the holder's names."""
        if not self.decides or item.kind != "escalate":
            return False
        if self.everybody:
            return self.acting_as is None or item.escalation_to in (None, self.acting_as)
        return item.escalation_to in self.names

    def signs(self, item: PromptItem) -> str | None:
        """Return the name that the record is given; `None` where the key says it by itself."""
        return (self.acting_as or item.escalation_to or self.principal_id) if self.everybody else None

    def is_me(self, name: str | None, item: PromptItem) -> bool:
        """Tell whether a name of the record is the holder of this key."""
        return name is not None and name in (self.names | {self.principal_id, self.signs(item)})


async def identify(authority: AuthorityClient, acting_as: str | None = None) -> Holder:
    """Read whose key this is, and under which names escalations are addressed to it.

    Args:
        authority: With the key.
        acting_as: The name that the inbox is for; one of the holder's.

    Raises:
        InboxProblem: It is the key of a gate, the name is not the holder's, or the authority does not tell.
        AuthorityError: There is no answer; see its kinds.
    """
    try:
        reply = await authority.holder()
    except NotFound:
        raise InboxProblem(NO_INBOX) from None
    return holder_of(reply, acting_as)


def holder_of(reply: HolderReply, acting_as: str | None) -> Holder:
    """Say what a key is for.

    Raises:
        InboxProblem: As for `identify`.
    """
    roles: Collection[str] = frozenset(reply.roles)
    everybody = "workspace" in roles
    names = frozenset() if everybody else frozenset({reply.principal_id, _member(reply.principal_id), *reply.addresses})
    if not everybody and not {"approver", "operator"} & set(roles):
        raise InboxProblem(GATES_KEY)
    if acting_as is not None and not everybody and "approver" in roles and acting_as not in names:
        known = ", ".join(repr(name) for name in sorted({reply.principal_id, *reply.addresses}))
        raise InboxProblem(
            f"{acting_as!r} is no name of the holder of this key, who is {known}; a key for that name: "
            f"allowly-harness authority keys create NAME --role approver --address {acting_as}"
        )
    return Holder(names, acting_as, everybody or "approver" in roles, everybody, reply.principal_id)


def _member(principal_id: str) -> str:
    return f"member:{principal_id}"  # the other way to write a principal's name that the API knows

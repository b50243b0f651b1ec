"""Who calls, as far as the server knows. There always is a subject: nobody in particular is `ANONYMOUS`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Subject:
    """The caller of one request.

    Groups count only where the server knows who calls, so nobody gains rights, and no rule for a group applies, by
    a claim that nothing proves.

    Attributes:
        id: The stable id, never blank; `None` for nobody in particular.
        groups: The groups that the subject is in; empty unless it is authenticated.
        metadata: What else is known, such as the plan. A copy, read-only at its top level.
        display_name: For people, never for decisions.
        email: For people, never for decisions.
        tenant: The organisation that the subject belongs to.
        authenticated: Whether the server verified who this is. Without an id it is never true.

    Raises:
        ValueError: The id is blank, or groups are given without an id or without authentication.
        TypeError: The groups are one text, whose letters would become the groups.
    """

    id: str | None
    groups: frozenset[str] = frozenset()
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False, hash=False)
    display_name: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    tenant: str | None = None
    authenticated: bool = True

    def __post_init__(self) -> None:
        """Check the fields and take copies of those that somebody else could change."""
        if isinstance(self.groups, str):
            raise TypeError("groups must be a set of names, not one text")
        if self.id is not None and not self.id.strip():
            raise ValueError("a subject's id must not be blank; use ANONYMOUS for nobody in particular")
        known = self.id is not None and self.authenticated
        if self.groups and not known:
            raise ValueError("a subject that is not authenticated has no groups")
        object.__setattr__(self, "authenticated", known)
        object.__setattr__(self, "groups", frozenset(self.groups))
        object.__setattr__(self, "metadata", MappingProxyType(dict(self.metadata)))

    def has_group(self, name: str) -> bool:
        """Tell whether the subject is in a group. An anonymous subject is in none."""
        return name in self.groups


ANONYMOUS: Final = Subject(None)
"""Nobody in particular: no id, no groups, not authenticated."""

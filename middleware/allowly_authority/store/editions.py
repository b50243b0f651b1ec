"""Editions of policies, which never change once they are there: read, added and archived."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from allowly_authority.engine import PolicyDocument, PolicyReference, RuleFault, parse_document
from allowly_authority.store import queries
from allowly_authority.store.port import Connection
from allowly_authority.store.schema import StoreError


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of a policy.

    Attributes:
        definition: The document as JSON.
        deleted_ms: When the policy was archived, with all its editions.
    """

    policy_id: str
    version: int
    sha256: str
    definition: str
    description: str | None
    created_by: str | None
    created_ms: int
    deleted_ms: int | None = None

    @property
    def reference(self) -> PolicyReference:
        """What names the edition."""
        return PolicyReference(self.policy_id, self.version, self.sha256)

    def document(self) -> PolicyDocument:
        """Parse the document.

        Raises:
            StoreError: It is damaged, or not the one that the digest is of.
        """
        try:
            document = parse_document(json.loads(self.definition))
        except (RuleFault, ValueError, RecursionError):
            raise StoreError("A policy on record cannot be read") from None
        if document.sha256 != self.sha256:
            raise StoreError("A policy on record is not the one that its digest names")
        return document


def find_edition(connection: Connection, policy_id: str, version: int | None = None) -> Edition | None:
    """Return an edition of a policy, or its latest one where none is named."""
    if version is None:
        return _edition(connection.row(queries.LATEST_EDITION, policy_id_=policy_id))
    return _edition(connection.row(queries.FIND_EDITION, policy_id_=policy_id, version_=version))


def list_policies(connection: Connection, after: str, most: int) -> list[Edition]:
    """Return the latest edition of each policy that is not archived, in the order of their names.

    Args:
        connection: Where to look.
        after: The last name of the page before; empty for the first page.
        most: How many at most.
    """
    return [Edition(*row) for row in connection.rows(queries.LIST_POLICIES, after=after, most=most)]


def insert_edition(connection: Connection, edition: Edition) -> None:
    """Add an edition. Who adds takes turns with others that add to the same policy."""
    connection.run(
        queries.INSERT_EDITION,
        policy_id=edition.policy_id,
        version=edition.version,
        sha256=edition.sha256,
        definition=edition.definition,
        description=edition.description,
        created_by=edition.created_by,
        created_ms=edition.created_ms,
    )


def archive_policy(connection: Connection, policy_id: str, now_ms: int) -> bool:
    """Archive a policy with all its editions, once; `False` where it is unknown or archived."""
    return bool(connection.rows(queries.ARCHIVE_POLICY, policy_id_=policy_id, now=now_ms))


def _edition(row: tuple[Any, ...] | None) -> Edition | None:
    return None if row is None else Edition(*row)

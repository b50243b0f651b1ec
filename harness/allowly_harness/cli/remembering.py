"""Puts remembered grants before the person that a command asks, where the user has turned them on."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from allowly_harness.cli.exits import say

if TYPE_CHECKING:
    from allowly_harness.approvers.base import Approver
    from allowly_harness.cli.opening import OpenAuthority
    from allowly_harness.grants import Grants
    from allowly_harness.settings import ApprovalSettings


@contextmanager
def open_grants(
    settings: ApprovalSettings, authority: OpenAuthority | None, acting_as: str | None = None
) -> Generator[Grants | None]:
    """Yield the grants that count for an authority; `None` where nothing is remembered, and a person is asked.

    Args:
        settings: Whether a yes is remembered at all.
        authority: Where answers are posted.
        acting_as: What `--as` said.
    """
    if not settings.remember or authority is None:
        yield None
        return
    from allowly_harness.grants import GrantError, Grants, GrantStore
    from allowly_harness.guarding.kept import identity_of
    from allowly_harness.locations import grants_file

    try:
        store = GrantStore(grants_file())
    except GrantError as error:
        say(f"Nothing is remembered, and every question is put: {error}")
        yield None
        return
    with store:
        yield Grants(
            store,
            authority=identity_of(authority.base_url, authority.api_key),
            granted_by=acting_as,
            dangerous=settings.remember_dangerous,
        )


@contextmanager
def remembering(
    approver: Approver, settings: ApprovalSettings, authority: OpenAuthority | None, acting_as: str | None = None
) -> Generator[Approver]:
    """Yield an approver that asks the one given only where no grant answers."""
    with open_grants(settings, authority, acting_as) as grants:
        if grants is None:
            yield approver
            return
        from allowly_harness.approvers.remembering import RememberingApprover

        yield RememberingApprover(approver, grants)

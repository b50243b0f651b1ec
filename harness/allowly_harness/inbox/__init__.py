"""The approver's inbox: what waits for the holder of a key, opened and answered one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allowly_harness.inbox.holder import Holder, InboxProblem
    from allowly_harness.inbox.inbox import AuthorityInbox
    from allowly_harness.inbox.listing import Change
    from allowly_harness.inbox.question import OpenQuestion, QuestionClosed, QuestionRefused
    from allowly_harness.inbox.verdicts import Verdict

__all__ = [
    "AuthorityInbox",
    "Change",
    "Holder",
    "InboxProblem",
    "OpenQuestion",
    "QuestionClosed",
    "QuestionRefused",
    "Verdict",
]

_MODULES = {
    "AuthorityInbox": "inbox",
    "Change": "listing",
    "Holder": "holder",
    "InboxProblem": "holder",
    "OpenQuestion": "question",
    "QuestionClosed": "question",
    "QuestionRefused": "question",
    "Verdict": "verdicts",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)

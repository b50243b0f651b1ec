"""The seeded bugs of receipts, and of what waits. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

AUTHORITY = "middleware/allowly_authority/"


def patch(name: str, old: str, new: str) -> Patch:
    return Patch(f"{AUTHORITY}{name}.py", old, new)


MUTANTS = (
    Mutant(
        "an approver sees what is addressed to others",
        "G7",
        (patch("service/inbox", "addressees = principal.names", "addressees = None"),),
        ("what waits", "streams"),
    ),
    Mutant(
        "an approver may name somebody else",
        "G7",
        (patch("service/inbox", "elif principal.is_addressed_by(query.addressee):", "elif True:"),),
        ("what waits",),
    ),
    Mutant(
        "what has run out still waits",
        "G10",
        (patch("store/inbox", '(now_ms + 1, ""))\n    else:', '(0, ""))\n    else:'),),
        ("what waits",),
    ),
    Mutant(
        "a stream shows what it was not asked for",
        "G7",
        (
            patch(
                "service/streaming",
                "[event for event in events if self.filters.show(event.listed.prompt)]",
                "list(events)",
            ),
        ),
        ("streams",),
    ),
    Mutant(
        "a stream goes on after its key has ended",
        "G7",
        (patch("web/events", "if frame.name is None and not await self._still_admitted():", "if False:"),),
        ("streams",),
    ),
    Mutant(
        "what is committed late is never told",
        "G10",
        (patch("service/watching", "self._gaps.update(dict.fromkeys(left_out, now + GAP_SECONDS))", "pass"),),
        ("streams",),
    ),
    Mutant(
        "a position claims what has not been told yet",
        "G10",
        (patch("service/watching", "min(self._gaps) - 1 if self._gaps else self._high", "self._high"),),
        ("streams",),
    ),
    Mutant(
        "time ends no question in a stream",
        "G10",
        (patch("service/watching", "for listed in over[-1:]:", "for listed in over[:0]:"),),
        ("streams",),
    ),
    Mutant(
        "a part of a snapshot can be gone on from",
        "G10",
        (patch("service/streaming", "None if after else position)", "position)"),),
        ("streams",),
    ),
    Mutant(
        "receipts are signed with the newest key",
        "G12",
        (
            patch(
                "receipts/keys",
                "return sign(payload, self.key_at(claims.issued_ms))",
                "return sign(payload, self.current)",
            ),
        ),
        ("receipts",),
    ),
    Mutant(
        "receipts name the build that signs, not the one that decided",
        "G12",
        (
            patch(
                "service/receipts",
                'engine_version=held["engine_version"],',
                'engine_version="sha256:" + "0" * 64,',
            ),
        ),
        ("receipts",),
    ),
    Mutant(
        "the public keys hold what signs",
        "G7",
        (
            patch(
                "receipts/keys",
                '"public_key": encode(self.public),',
                '"public_key": encode(self.private.private_bytes_raw()) if self.private else "",',
            ),
        ),
        ("receipts",),
    ),
    Mutant(
        "keys that cannot be read stop checks",
        "G10",
        (
            patch(
                "service/receipts",
                "except StoreError as error:\n        _logger",
                "except KeyError as error:\n        _logger",
            ),
        ),
        ("receipts",),
    ),
    Mutant(
        "what a request adds to a bundle is forgotten",
        "G9",
        (patch("service/bundles", "lists=request.lists,", "lists=type(request.lists)(),"),),
        ("bundles",),
    ),
    Mutant(
        "an archived bundle is used",
        "G10",
        (patch("service/bundles", "if stored.deleted_ms is not None:", "if False:"),),
        ("bundles",),
    ),
)

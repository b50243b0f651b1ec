"""The seeded bugs of principals and keys: who may do what, and whose word counts. See `mutants.py`."""

from __future__ import annotations

from mutants import Mutant, Patch

AUTHORITY = "middleware/allowly_authority/"


def principals(old: str, new: str) -> Patch:
    return Patch(AUTHORITY + "engine/principals.py", old, new)


def service(module: str, old: str, new: str) -> Patch:
    return Patch(f"{AUTHORITY}service/{module}.py", old, new)


def web(module: str, old: str, new: str) -> Patch:
    return Patch(f"{AUTHORITY}web/{module}.py", old, new)


MUTANTS = (
    Mutant(
        "a gate approves",
        "G1",
        (
            principals(
                '"gate": frozenset({Operation.CHECK})', '"gate": frozenset({Operation.CHECK, Operation.CONFIRM})'
            ),
        ),
        ("principals", "rights"),
    ),
    Mutant(
        "an operator approves",
        "G11",
        (
            principals(
                "            Operation.SETTLE_BUDGET,\n", "            Operation.SETTLE_BUDGET, Operation.RESOLVE,\n"
            ),
        ),
        ("principals", "rights"),
    ),
    Mutant(
        "anybody resolves what is nobody's",
        "G11",
        (principals("return target is not None and target in", "return target is None or target in"),),
        ("principals",),
    ),
    Mutant(
        "who asked approves with a key of their own",
        "G11",
        (
            principals(
                'if escalated.resolution == "approved" and escalated.requesters & names:',
                'if escalated.resolution == "approved" and escalated.requesters & names and _is_whole(principal):',
            ),
        ),
        ("principals", "rights"),
    ),
    Mutant(
        "who asked approves under another of her names",
        "G11",
        (principals("        names = principal.names\n", "        names = {principal.principal_id}\n"),),
        ("principals", "rights"),
    ),
    Mutant(
        "a name in the body counts",
        "G11",
        (
            principals(
                "if named is not None and not principal.is_addressed_by(named):",
                "if named is not None and named == principal.principal_id and not principal.is_addressed_by(named):",
            ),
        ),
        ("principals", "rights"),
    ),
    Mutant(
        "the record believes the body",
        "G11",
        (
            principals(
                "return resolved_by if resolved_by is not None and _is_whole(principal) else principal.principal_id",
                "return resolved_by if resolved_by is not None else principal.principal_id",
            ),
        ),
        ("principals", "rights"),
    ),
    Mutant(
        "who asked second is forgotten",
        "G11",
        (service("prompts", "records.find_askers(connection, prompt.prompt_id).union(", "frozenset[str]().union("),),
        ("rights",),
    ),
    Mutant(
        "who sent the check did not ask",
        "G11",
        (
            service("prompts", "records.find_askers(connection, prompt.prompt_id).union(", "frozenset[str]().union("),
            service("prompts", "(prompt.requested_by,)", "()"),
        ),
        ("rights",),
    ),
    Mutant(
        "no endpoint asks for its right",
        "G1",
        (
            web(
                "endpoint",
                "    if refusal is not None:\n        raise refused",
                "    if refusal is None:\n        raise refused",
            ),
        ),
        ("rights",),
    ),
    Mutant(
        "what is open to all is done by anybody",
        "G10",
        (web("guard", "principal = NOBODY if", "principal = ANYBODY if"),),
        ("keys",),
    ),
    Mutant(
        "a database that fails lets everybody in",
        "G10",
        (web("guard", "            raise failed() from None", "            return ANYBODY"),),
        ("keys",),
    ),
    Mutant(
        "one principal gets the reply of another one",
        "G7",
        (web("reading", 'key if key is None or sender is ANYBODY else f"{sender.principal_id}\\n{key}"', "key"),),
        ("rights",),
    ),
    Mutant(
        "a revoked key goes on",
        "G10",
        (Patch(AUTHORITY + "store/keys.py", "return self.revoked_ms is None and (", "return (True) and ("),),
        ("keys",),
    ),
    Mutant(
        "a key outlives its end",
        "G6",
        (Patch(AUTHORITY + "store/keys.py", "or now_ms < self.expires_ms)", "or now_ms < self.expires_ms + 5000)"),),
        ("keys",),
    ),
    Mutant(
        "a revoked key is remembered here",
        "G10",
        (service("authority", "            self._holders.forget_all()\n", "            pass\n"),),
        ("keys",),
    ),
    Mutant(
        "a revoked key is remembered for long elsewhere",
        "G6",
        (service("holders", "asked_at + MEMORY_SECONDS", "asked_at + 100 * MEMORY_SECONDS"),),
        ("keys",),
    ),
    Mutant(
        "what was read before a revocation is remembered after it",
        "G10",
        (service("holders", "if revocations == self._revocations:", "if revocations <= self._revocations:"),),
        ("keys",),
    ),
    Mutant(
        "holders are remembered without end",
        "G6",
        (
            service(
                "holders",
                "            self._known.clear()\n        self._known[hashed]",
                "            pass\n        self._known[hashed]",
            ),
        ),
        ("keys",),
    ),
    Mutant(
        "a key is kept for repetitions",
        "G7",
        (
            service(
                "keys",
                'keep(connection, {"key_id": made.key_id}',
                'keep(connection, {"key_id": made.key_id, "key": told}',
            ),
        ),
        ("keys",),
    ),
    Mutant(
        "a damaged row gives rights",
        "G10",
        (Patch(AUTHORITY + "store/keys.py", "    if not principal.roles <= _ROLES:\n", "    if False:\n"),),
        ("keys",),
    ),
    Mutant(
        "an explanation uses an approval up",
        "G3",
        (
            service(
                "explaining",
                "    found = explain(",
                "    if standing.escalation is not None:\n"
                "        records.claim(connection, standing.escalation.prompt_id, now_ms)\n"
                "    found = explain(",
            ),
        ),
        ("explanations",),
    ),
    Mutant(
        "an explanation leaves the initiator out",
        "G10",
        (service("explaining", "        initiator=request.initiator,\n", ""),),
        ("explanations",),
    ),
)

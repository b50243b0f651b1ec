"""The seeded bugs of the decision model. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

ENGINE = "middleware/allowly_authority/engine/"


def deciding(old: str, new: str) -> Patch:
    return Patch(ENGINE + "deciding.py", old, new)


def demands(old: str, new: str) -> Patch:
    return Patch(ENGINE + "demands.py", old, new)


def policies(old: str, new: str) -> Patch:
    return Patch(ENGINE + "policies.py", old, new)


def conditions(old: str, new: str) -> Patch:
    return Patch(ENGINE + "conditions.py", old, new)


def questions(old: str, new: str) -> Patch:
    return Patch(ENGINE + "questions.py", old, new)


MUTANTS = (
    Mutant(
        "a revoked authorization goes on",
        "I13",
        (
            deciding("authorization.revoked_ms is not None or authorization.expires_ms", "authorization.expires_ms"),
            deciding("if authorization.revoked_ms is None:", "if True:"),
        ),
        ("decisions", "decision properties"),
    ),
    Mutant(
        "the last millisecond is one too many",
        "I13",
        (deciding("or authorization.expires_ms <= now_ms:", "or authorization.expires_ms < now_ms:"),),
        ("decisions", "decision properties"),
    ),
    Mutant(
        "a scope that is not held is held",
        "G10",
        (deciding('failed = "scope" if not held else None', "failed = None"),),
        ("decisions",),
    ),
    Mutant(
        "a pattern that does not fit is no matter",
        "G10",
        (deciding('        if not fits:\n            return "resource_pattern"\n', ""),),
        ("decisions",),
    ),
    Mutant(
        "everybody is an allowed initiator",
        "G10",
        (deciding("        if not known:\n", "        if not known and trace:\n"),),
        ("decisions",),
    ),
    Mutant(
        "a denial is asked about",
        "G5",
        (
            deciding(
                "    denial = demands.deny\n    if denial is None:",
                "    denial = demands.deny\n    if denial is None or not trace:",
            ),
        ),
        ("decisions", "decision properties"),
    ),
    Mutant(
        "one more a day",
        "G6",
        (
            deciding(
                'return None if used < most else Verdict("deny", "rate',
                'return None if used <= most else Verdict("deny", "rate',
            ),
        ),
        ("decisions", "histories"),
    ),
    Mutant("an allow is not counted", "G6", (deciding('more["count_up_to"]', 'more["quorum"]'),), ("histories",)),
    Mutant(
        "the budget holds one more",
        "G6",
        (
            Patch(
                ENGINE + "budgets.py", "spent_micros + estimate_micros <= limit_micros", "spent_micros <= limit_micros"
            ),
        ),
        ("decisions", "budgets"),
    ),
    Mutant(
        "a rejection is forgotten",
        "G5",
        (deciding('    if state == "rejected":\n', '    if state == "never":\n'),),
        ("decisions", "histories"),
    ),
    Mutant(
        "an approved escalation is not used up",
        "G3",
        (deciding("        claims.append(open_)\n", ""),),
        ("decisions", "histories"),
    ),
    Mutant(
        "an approved call is not used up",
        "G3",
        (deciding("        if grant.single_use:\n", "        if grant.single_use and trace:\n"),),
        ("decisions", "histories"),
    ),
    Mutant(
        "who escalates need not confirm",
        "G1",
        (deciding("    if demands.confirm is not None:\n", "    if demands.confirm is not None and not claims:\n"),),
        ("decisions",),
    ),
    Mutant(
        "a grant outlives its window",
        "G2",
        (
            Patch(
                ENGINE + "values.py",
                "alive = self.grant_expires_ms is not None and now_ms < self.grant_expires_ms",
                "alive = self.grant_expires_ms is not None",
            ),
        ),
        ("histories",),
    ),
    Mutant(
        "an approval is not bound to the context",
        "G2",
        (questions('bound = dialect == "actions" or rules.reads_context', "bound = False"),),
        ("histories",),
    ),
    Mutant(
        "an approval is not bound to the resource",
        "G2",
        (
            Patch(
                ENGINE + "values.py",
                "[self.authorization_id, self.scope, self.resource, self.context_digest]",
                "[self.authorization_id, self.scope, self.context_digest]",
            ),
        ),
        ("histories",),
    ),
    Mutant(
        "a missing field is no matter",
        "G10",
        (demands("(held or (held is None and not certain))", "held"),),
        ("decisions", "conditions"),
    ),
    Mutant(
        "a denial that cannot be told is no question",
        "G10",
        (demands("asks = confirms or unsure", "asks = confirms"),),
        ("conditions",),
    ),
    Mutant(
        "true is one",
        "G9",
        (
            conditions(
                "    if type(actual) is not type(expected):\n        return None\n",
                "    if not isinstance(actual, type(expected)):\n        return None\n",
            ),
        ),
        ("conditions",),
    ),
    Mutant(
        "true is ordered",
        "G9",
        (conditions("if type(actual) is int else None", "if isinstance(actual, int) else None"),),
        ("conditions",),
    ),
    Mutant(
        "a rule weakens its action",
        "G5",
        (policies("return next_ if gain > 0 or (gain == 0 and wins_tie) else best", "return next_"),),
        ("decisions", "decision properties"),
    ),
    Mutant(
        "a rule that cannot be told is skipped",
        "G10",
        (policies("        if matched is not False:\n", "        if matched:\n"),),
        ("decisions",),
    ),
    Mutant(
        "an unknown constraint is ignored",
        "G10",
        (
            Patch(
                ENGINE + "reading.py",
                "        if name not in required and name not in optional:\n",
                "        if name is None:\n",
            ),
        ),
        ("conditions", "policies", "stored", "creation"),
    ),
    Mutant(
        "a policy's conditions compare any types",
        "G9",
        (
            Patch(
                ENGINE + "documents.py",
                "if type(item) is not _TYPES[declared]:",
                "if not isinstance(item, _TYPES[declared]):",
            ),
        ),
        ("policies",),
    ),
    Mutant(
        "a digest escapes as JSON does",
        "G9",
        (Patch(ENGINE + "canonical.py", 'else f"\\\\u{ord(character):04x}"', 'else f"\\\\u{ord(character):04X}"'),),
        ("policies",),
    ),
    Mutant(
        "a tool passes for a shorter one",
        "G9",
        (Patch(ENGINE + "patterns.py", "resource.rpartition(_DIGEST)[0]", "resource.partition(_DIGEST)[0]"),),
        ("patterns",),
    ),
    Mutant(
        "an end may overlap the beginning",
        "G9",
        (Patch(ENGINE + "patterns.py", "or end < at or", "or"),),
        ("patterns",),
    ),
    Mutant(
        "a settlement is made twice",
        "G3",
        (
            Patch(
                ENGINE + "budgets.py",
                "    if reservation.actual_micros is not None:\n",
                "    if reservation.actual_micros == -1:\n",
            ),
        ),
        ("budgets",),
    ),
    Mutant(
        "what was not looked up is nothing",
        "G10",
        (deciding("    if used is None:\n", "    used = used or 0\n    if used < 0:\n"),),
        ("budgets",),
    ),
    Mutant(
        "rules of a newer program are left out",
        "G10",
        (Patch(ENGINE + "stored.py", "    if unknown:\n", "    if unknown is None:\n"),),
        ("stored",),
    ),
    Mutant(
        "a policy takes rules from the request",
        "G10",
        (
            Patch(
                "middleware/allowly_authority/wire/creation.py",
                "        if given & others:\n",
                "        if given < others:\n",
            ),
        ),
        ("creation",),
    ),
    Mutant(
        "a rule with a slip in its name is skipped",
        "G10",
        (
            Patch(
                "middleware/allowly_authority/wire/creation.py",
                "for name, value in body.items() if value is not None}, (), optional",
                "for name, value in body.items() if name in _KNOWN}, (), optional",
            ),
        ),
        ("creation",),
    ),
)

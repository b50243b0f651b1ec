"""The seeded bugs of policies and patterns. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

POLICY = "middleware/allowly_middleware/policy/"
PIPELINE = "middleware/allowly_middleware/pipeline/"


def deciding(old: str, new: str) -> Patch:
    return Patch(POLICY + "deciding.py", old, new)


def policies(old: str, new: str) -> Patch:
    return Patch(POLICY + "policies.py", old, new)


def rules(old: str, new: str) -> Patch:
    return Patch(POLICY + "rules.py", old, new)


def conditions(old: str, new: str) -> Patch:
    return Patch(POLICY + "conditions.py", old, new)


def files(old: str, new: str) -> Patch:
    return Patch(POLICY + "files.py", old, new)


def segments(old: str, new: str) -> Patch:
    return Patch(PIPELINE + "segments.py", old, new)


MUTANTS = (
    Mutant(
        "the first rule decides, not the strictest",
        "G5",
        (deciding("    strength = max(\n", "    strength = voting[0].strength if voting else max(\n"),),
        ("policy decisions", "policy rules"),
    ),
    Mutant(
        "in doubt a rule that denies does not count",
        "G10",
        (deciding('(self.standing is Standing.DOUBTFUL and self.rule.effect != "allow")', "False"),),
        ("policy decisions", "policy conditions"),
    ),
    Mutant(
        "in doubt a rule that allows counts",
        "G10",
        (
            deciding(' and self.rule.effect != "allow")', ")"),
            deciding("one.standing in {Standing.MET, Standing.OPEN}", "one.standing is not Standing.NOT_MET"),
        ),
        ("policy decisions", "policy conditions"),
    ),
    Mutant(
        "a question in doubt replaces the default denial",
        "G10",
        (deciding("others = () if any(map(_settles, voting)) else defaults", "others = () if voting else defaults"),),
        ("policy decisions", "policy conditions"),
    ),
    Mutant(
        "one of two approvers is enough",
        "G11",
        (deciding("if strength == ESCALATE and len(approvers) > 1:", "if False:"),),
        ("policy decisions", "policy rules"),
    ),
    Mutant(
        "what no rule is for is allowed",
        "G10",
        (policies("or [Default()]", "or [NOT_GOVERNED]"),),
        ("policy rules",),
    ),
    Mutant(
        "policies for other groups leave everything open",
        "G10",
        (policies("            return (NOBODYS,)", "            return (NOT_GOVERNED,)"),),
        ("policy rules",),
    ),
    Mutant(
        "a policy for a group is for everybody",
        "G10",
        (policies("return not self.groups or not", "return True or not"),),
        ("policy rules",),
    ),
    Mutant(
        "a call without a name is decided by the stars",
        "G9",
        (policies("            return MALFORMED_REQUEST\n", "            pass\n"),),
        ("policy rules",),
    ),
    Mutant(
        "a hidden resource is told of by a subscription",
        "G10",
        (policies("facts.operation is Operation.OTHER and facts.method == _SUBSCRIBE", "False"),),
        ("policy rules",),
    ),
    Mutant(
        "a completion is decided by nobody",
        "G10",
        (policies("    if facts.operation is Operation.COMPLETE:\n", "    if False:\n"),),
        ("policy rules",),
    ),
    Mutant(
        "what is only tried is in force",
        "G10",
        (policies("if (trying or not (entry.policy.shadow or entry.rule.shadow))", "if True"),),
        ("policy decisions",),
    ),
    Mutant(
        "the word of any server opens its tools",
        "G13",
        (rules('if self.annotations and self.effect == "allow" and not trusted:', "if False:"),),
        ("policy decisions", "policy rules"),
    ),
    Mutant(
        "a tool that says nothing is taken for harmless",
        "G13",
        (rules('"destructiveHint": True,', '"destructiveHint": False,'),),
        ("policy decisions", "policy rules"),
    ),
    Mutant(
        "a denial for outsiders spares those of whom nothing is known",
        "G10",
        (
            rules(
                "answers.append(_negated(self.unless_subject.includes(facts.subject)))",
                "answers.append(bool(facts.subject.id) and _negated(self.unless_subject.includes(facts.subject)))",
            ),
        ),
        ("policy decisions", "policy rules"),
    ),
    Mutant(
        "one good item of a list is enough",
        "G10",
        (
            conditions(
                "        return None if answers else False", "        return (True in answers) if answers else False"
            ),
        ),
        ("policy conditions",),
    ),
    Mutant(
        "a value of another type fails the comparison",
        "G10",
        (
            conditions(
                "return bool(actual == expected) if same_kind else None", "return same_kind and actual == expected"
            ),
        ),
        ("policy decisions", "policy conditions"),
    ),
    Mutant(
        "a pattern fits the beginning of a name",
        "G9",
        (
            segments(
                "if end < at or not name.startswith(first) or not name.endswith(last):",
                "if not name.startswith(first):",
            ),
        ),
        ("policy patterns",),
    ),
    Mutant(
        "the index forgets patterns with a middle",
        "G9",
        (segments("for piece in found:", "for piece in list(found)[:1]:"),),
        ("policy patterns",),
    ),
    Mutant(
        "a broken file takes the policy away",
        "G10",
        (
            files(
                "        self.problem = error\n",
                "        self.problem, self.policies = error, parse_policy('').or_raise('')\n",
            ),
        ),
        ("policy files",),
    ),
    Mutant(
        "a file is read while it is being written",
        "G10",
        (files("            if now != self._seen:\n", "            if False:\n"),),
        ("policy files",),
    ),
    Mutant(
        "a link to a policy is followed",
        "G10",
        (files(" | os.O_NOFOLLOW", ""),),
        ("policy files",),
    ),
    Mutant(
        "a policy that everybody may write is taken",
        "G10",
        (files("    if status.st_mode & stat.S_IWOTH:", "    if False:"),),
        ("policy files",),
    ),
)

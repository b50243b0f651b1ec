"""The seeded bugs of the pipeline in front of a server. See `mutants.py` for what they are for."""

from __future__ import annotations

from mutants import Mutant, Patch

PIPELINE = "middleware/allowly_middleware/pipeline/"
ADAPTERS = "middleware/allowly_middleware/adapters/"


def pipeline(name: str, old: str, new: str) -> Patch:
    return Patch(f"{PIPELINE}{name}", old, new)


def adapters(name: str, old: str, new: str) -> Patch:
    return Patch(f"{ADAPTERS}{name}", old, new)


MUTANTS = (
    Mutant(
        "a handler that forgets to return lets the call run",
        "G10",
        (pipeline("chain.py", "if answer is CONTINUE and not following.called:", "if not following.called:"),),
        ("pipeline chain",),
    ),
    Mutant(
        "a deny that is not returned is forgotten",
        "G5",
        (
            pipeline(
                "chain.py",
                "if ctx.refusal is not None:\n            reply = refused(ctx.operation, ctx.refusal)\n        elif at",
                "if at",
            ),
        ),
        ("pipeline chain",),
    ),
    Mutant(
        "next runs the rest a second time",
        "G4",
        (
            pipeline("chain.py", "        if self.called:\n", "        if False:\n"),
            pipeline("chain.py", "        if self._started or not self.called:\n", "        if not self.called:\n"),
        ),
        ("pipeline chain",),
    ),
    Mutant(
        "the tool gets the arguments that whoever keeps them can change",
        "G2",
        (
            pipeline(
                "guarding.py", "arguments = copy.deepcopy(dict(ctx.sent_arguments))", "arguments = ctx.sent_arguments"
            ),
        ),
        ("pipeline arguments",),
    ),
    Mutant(
        "approvers hold the very arguments that the tool gets",
        "G2",
        (
            pipeline(
                "guarding.py",
                "facts = ctx.facts(copy.deepcopy(arguments), report.annotations)",
                "facts = ctx.facts(arguments, report.annotations)",
            ),
            pipeline(
                "guarding.py",
                "arguments = None if facts.arguments is None else copy.deepcopy(dict(facts.arguments))",
                "arguments = facts.arguments",
            ),
        ),
        ("pipeline arguments",),
    ),
    Mutant(
        "the call runs under the name that its sender gives it during the check",
        "G2",
        (
            adapters(
                "fastmcp.py",
                'update={"name": facts.tool, "arguments": facts.arguments}',
                'update={"arguments": facts.arguments}',
            ),
            adapters("mcp.py", "params = {**(ctx.params or {})}", "params = ctx.params or {}"),
        ),
        ("placement",),
    ),
    Mutant(
        "the tool gets a zero with a sign where 0 was checked",
        "G2",
        (
            Patch(
                "middleware/allowly_middleware/facts.py",
                "                holder[key] = 0.0\n",
                "                pass\n",
            ),
        ),
        ("placement",),
    ),
    Mutant(
        "nobody looks again behind later middleware of the SDK",
        "G2",
        (adapters("pipeline_mcp.py", "            if following:\n", "            if False:\n"),),
        ("pipeline arguments",),
    ),
    Mutant(
        "nobody looks again behind later middleware of FastMCP",
        "G2",
        (
            adapters(
                "pipeline_fastmcp.py",
                "if following or gating.others_follow(self._attachment, self._context):",
                "if not following and gating.others_follow(self._attachment, self._context):",
            ),
        ),
        ("pipeline arguments",),
    ),
    Mutant(
        "a chain that cannot be looked behind is open",
        "G10",
        (
            adapters(
                "pipeline_fastmcp.py",
                "if following or gating.others_follow(self._attachment, self._context):",
                "if following:",
            ),
        ),
        ("pipeline ways round",),
    ),
    Mutant(
        "the leave of one call is a leave for any",
        "G1",
        (
            pipeline(
                "permits.py",
                "return self.pipeline is pipeline and (server, tool) in self.names",
                "return self.pipeline is pipeline",
            ),
        ),
        ("pipeline ways round",),
    ),
    Mutant(
        "the leave of a call is one for other arguments",
        "G2",
        (pipeline("permits.py", "return same_arguments(self.arguments_json, arguments)", "return True"),),
        ("pipeline ways round",),
    ),
    Mutant(
        "whatever is true is a yes",
        "G1",
        (
            pipeline(
                "approval.py",
                "        case True:\n",
                "        case value if value and not isinstance(value, Deny | Pending):\n",
            ),
        ),
        ("pipeline approval",),
    ),
    Mutant(
        "nobody's answer in time is a yes",
        "G1",
        (
            pipeline(
                "approval.py",
                '_no("Nobody answered in time. The call was not run.", "approval_timed_out")',
                "None",
            ),
        ),
        ("pipeline approval",),
    ),
    Mutant(
        "an approval is used again and again",
        "G3",
        (
            pipeline(
                "tickets.py",
                "            self._drop(ticket)\n            return ticket\n",
                "            return ticket\n",
            ),
        ),
        ("pipeline approval",),
    ),
    Mutant(
        "a second answer replaces the first",
        "G3",
        (pipeline("tickets.py", 'if ticket is None or ticket.state != "pending":', "if ticket is None:"),),
        ("pipeline approval",),
    ),
    Mutant(
        "an approval of one caller opens the call of another",
        "G1",
        (pipeline("approval.py", 'subject.tenant or "", subject.id or ""', '"", ""'),),
        ("pipeline approval",),
    ),
    Mutant(
        "somebody is asked before the limit has counted",
        "G6",
        (
            pipeline(
                "guarding.py",
                "            if counted is not None and not counted.allowed:\n",
                "            if False:\n",
            ),
        ),
        ("pipeline approval",),
    ),
    Mutant(
        "an allow that involves nobody answers what the policy asks",
        "G1",
        (
            pipeline(
                "asked.py", "if verdict.grant is not None and ask.forced and verdict.reason not in wanted:", "if False:"
            ),
        ),
        ("pipeline gate",),
    ),
    Mutant(
        "a confirmation answers for the approver",
        "G11",
        (
            pipeline(
                "asked.py", "wanted = _BY_SOMEBODY if ask.approver is None else _BY_ESCALATION", "wanted = _BY_SOMEBODY"
            ),
        ),
        ("pipeline gate",),
    ),
    Mutant(
        "the policy sees the arguments before the handlers do",
        "G2",
        (pipeline("guarding.py", "ctx.policy.verdict = self.policy.evaluate(facts)\n            no", "no"),),
        ("pipeline policy",),
    ),
    Mutant(
        "a policy that fails lets calls run",
        "G10",
        (
            pipeline(
                "evaluating.py",
                '    effect: Literal["allow", "ask", "deny"] = "deny"',
                '    effect: Literal["allow", "ask", "deny"] = "allow"',
            ),
        ),
        ("pipeline policy",),
    ),
    Mutant(
        "lists are not filtered",
        "G7",
        (
            pipeline(
                "pipeline.py", "                await guarding.filter(ctx, exchange, reply)\n", "                pass\n"
            ),
        ),
        ("pipeline policy",),
    ),
    Mutant(
        "where nobody can say who calls, nobody in particular does",
        "G10",
        (pipeline("pipeline.py", "                ctx.refusal = _NOBODY_KNOWS\n", "                pass\n"),),
        ("pipeline identity",),
    ),
    Mutant(
        "headers are believed from anywhere",
        "G1",
        (
            pipeline(
                "identity.py",
                "if not user_id or not any(address in network for network in networks):",
                "if not user_id:",
            ),
        ),
        ("pipeline identity",),
    ),
    Mutant(
        "an observer that fails fails the call",
        "G10",
        (
            pipeline(
                "events.py",
                "except Exception as error:  # noqa: BLE001 - an observer must not change what it observes",
                "except TimeoutError as error:",
            ),
        ),
        ("pipeline events",),
    ),
    Mutant(
        "the words of a handler's exception reach the caller",
        "G7",
        (
            pipeline(
                "chain.py",
                "return self._refuse(self._broken(reason))\n\n    def _broken",
                "return self._refuse(Refusal(str(error), by='error', reason=reason))\n\n    def _broken",
            ),
        ),
        ("pipeline chain",),
    ),
    Mutant(
        "a refused resource is handed out under another spelling",
        "G10",
        (pipeline("evaluating.py", "for spelling in other_spellings(facts):", "for spelling in ():"),),
        ("pipeline spellings",),
    ),
    Mutant(
        "the record shows what a handler has made of the arguments since",
        "G12",
        (pipeline("guarding.py", "            report.decided = facts\n", "            pass\n"),),
        ("pipeline spellings",),
    ),
    Mutant(
        "an approval for a proved name serves whoever claims it",
        "G11",
        (pipeline("approval.py", '"proved" if subject.authenticated else "claimed"', '"said"'),),
        ("pipeline spellings",),
    ),
)

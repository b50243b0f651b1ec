"""How the time to decide a call grows with the rules: routes of a pipeline and rules of a policy, a thousand and ten.

The rules are of all kinds, exact and with stars, and the same few of them fit the call in both cases.
"""

from __future__ import annotations

from sampling import Case, Effort, Samples, measure

from allowly_middleware.pipeline import ANONYMOUS, CONTINUE, CallFacts, Operation, Pipeline
from allowly_middleware.policy import Policy, allow, confirm, deny

TITLE = "deciding a call by a thousand routes and rules / by ten of each"
TARGET = "<= 3"
OPERATIONS = 100
FACTS = CallFacts(Operation.TOOL_CALL, "github", "create_issue", {"title": "Hello"}, subject=ANONYMOUS)


async def samples(effort: Effort) -> Samples:
    """Look up the handlers and the verdict for one call."""
    return await measure(
        {"ten": _decided_by(10), "a thousand": _decided_by(1000)}, lambda one: one["a thousand"] / one["ten"], effort
    )


def _decided_by(count: int) -> Case:
    pipeline, rules = Pipeline(), [allow("github.create_*"), deny("github.delete_*")]
    pipeline.tool("github.create_*", lambda ctx: CONTINUE)
    for number in range(count - len(rules)):
        patterns = f"server{number}.tool", f"github.tool{number}", f"*.tool{number}_*", f"server{number}.*"
        pattern = patterns[number % len(patterns)]
        rules.append((allow, deny, confirm)[number % 3](pattern))
        pipeline.tool(pattern, lambda ctx: CONTINUE)
    policy = Policy(name="bench", rules=tuple(rules))
    pipeline.explain("github", "create_issue")

    async def decide() -> None:
        found = pipeline.explain("github", "create_issue").handlers
        if len(found) != 1 or not policy.evaluate(FACTS):
            raise RuntimeError("the call was not decided as it should be")

    return decide

"""Asking the policy beforehand: nothing is counted, nobody is asked."""

from allowly_middleware.pipeline import Context, Pipeline
from allowly_middleware.policy import Policy, allow, confirm

policy = Policy(name="github", rules=(allow("github.search_*"), confirm("github.create_issue")))
pipeline = Pipeline(policy=policy, approve=lambda request: True)


@pipeline.tool("github.search_code")
async def say_what_else(ctx: Context, call_next):
    verdict = ctx.policy.can("github", "create_issue")
    if verdict:
        ctx.inject("You may create an issue." + (" The user will be asked." if verdict.would_ask else ""))
    return await call_next()

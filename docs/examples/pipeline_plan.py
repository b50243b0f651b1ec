"""A tool for those whose plan has it."""

from allowly_middleware.pipeline import Caller, Context, Pipeline, Subject

PLANS = {"ada": "pro", "eve": "free"}


def who(caller: Caller) -> Subject | None:
    user = caller.auth.user_id
    return None if user is None else Subject(user, metadata={"plan": PLANS.get(user)})


pipeline = Pipeline(subject=who)


@pipeline.tool("github.measure")
def paid_only(ctx: Context, call_next):
    if ctx.subject.metadata.get("plan") != "pro":
        return ctx.deny("Measuring is a part of the plan pro.")
    return call_next()

"""A scope of one server, and one of the members of a group."""

from allowly_middleware.pipeline import Caller, Context, Pipeline, Subject

STAFF = {"ada": {"support"}, "eve": {"sales"}}


def who(caller: Caller) -> Subject | None:
    """Take the user from the verified token, and the groups from our own records."""
    user = caller.auth.user_id
    return None if user is None else Subject(user, frozenset(STAFF.get(user, ())))


pipeline = Pipeline(subject=who)
github = pipeline.server("github")


@github.use
def support_only(ctx: Context, call_next):
    if ctx.operation == "session:start" or ctx.subject.has_group("support"):
        return call_next()
    return ctx.deny("Only support may use this server.")


@pipeline.group("support").tool("github.create_issue")
def sign(ctx: Context, call_next):
    ctx.args["text"] = f"{ctx.args['text']} (by {ctx.subject.id})"
    return call_next()

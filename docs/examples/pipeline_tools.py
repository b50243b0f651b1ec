"""Handlers for one tool, for all of a server, for some of every server, and for one server's scope."""

from allowly_middleware.pipeline import CONTINUE, Context, Pipeline

pipeline = Pipeline()

pipeline.tool("github.delete_repo", lambda ctx: ctx.deny("Repositories are deleted by hand."))


@pipeline.tool("github.create_issue")
def no_empty_issues(ctx: Context):
    if not ctx.args.get("text"):
        return ctx.deny("An issue needs a text.")
    return CONTINUE


@pipeline.tool("*.search_*")
async def say_where(ctx: Context, call_next):
    reply = await call_next()
    ctx.inject(f"These are results of {ctx.server.name} alone.")
    return reply


@pipeline.operation("resource:read")
def no_files(ctx: Context, call_next):
    if ctx.resource.uri.startswith("file://"):
        return ctx.deny("Files are not shared.")
    return call_next()

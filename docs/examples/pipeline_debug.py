"""What every request is about, and what it would pass."""

from allowly_middleware.pipeline import Context, Pipeline

pipeline = Pipeline()


@pipeline.use
def trace(ctx: Context, call_next):
    about = ctx.tool or ctx.resource or ctx.prompt or ctx.completion
    ctx.log.info("%s %s: %s", ctx.operation, ctx.server.name, about)
    return call_next()


@pipeline.server("github").tool("search_*")
def first(ctx: Context, call_next):
    return call_next()


def would_pass() -> str:
    return str(pipeline.explain("github", "search_code"))

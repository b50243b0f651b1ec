"""Checking arguments, and bringing them to one form: what comes out is decided on, approved and run."""

from allowly_middleware.pipeline import Context, Pipeline

LONGEST = 200

pipeline = Pipeline()


@pipeline.tool("*.search_*")
def normalise(ctx: Context, call_next):
    ctx.args["text"] = " ".join(ctx.args.get("text", "").split())
    return call_next()


@pipeline.tool("*.search_*")
def not_too_long(ctx: Context, call_next):
    if len(ctx.args["text"]) > LONGEST:
        return ctx.deny(f"Search for at most {LONGEST} characters.")
    return call_next()

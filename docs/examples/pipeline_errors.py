"""Code behind `call_next`: another result, guidance with an error, a code of one's own."""

from allowly_middleware.pipeline import Context, Pipeline

LONGEST = 40

pipeline = Pipeline()


@pipeline.tool("github.search_code")
async def shorten(ctx: Context, call_next):
    reply = await call_next()
    return reply if len(reply.text) <= LONGEST else reply.text[:LONGEST] + "..."


@pipeline.use
async def help_with_errors(ctx: Context, call_next):
    reply = await call_next()
    if ctx.tool and reply.is_error:
        ctx.inject("Try again with other arguments, once.")
    return reply


pipeline.tool("github.measure", lambda ctx: ctx.fail(-32050, "Measuring is switched off."))

"""The first handler: who calls, what the policy says, and on with it."""

import logging

from allowly_middleware.pipeline import Context, Pipeline

log = logging.getLogger("mail.server")
pipeline = Pipeline()


@pipeline.use
async def log_caller(ctx: Context, call_next):
    log.info("%s by %s, verified: %s", ctx.operation, ctx.subject.id or "anonymous", ctx.auth.authenticated)
    log.info("policy: %s", ctx.policy.verdict.effect)
    return await call_next()

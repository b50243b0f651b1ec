"""A handler of three arguments, as older middleware has it."""

from allowly_middleware.pipeline import Pipeline, legacy

pipeline = Pipeline()


@legacy
async def older(request, context, call_next):
    if context.user.id is None and request.get("name") == "delete_repo":
        return context.res.deny("Sign in first.")
    return await call_next()


pipeline.use(older)

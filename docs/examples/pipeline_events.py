"""Watching: observers get copies, and whatever they do, the caller gets the same."""

import logging
from collections import Counter

from allowly_middleware.pipeline import Event, Pipeline

log = logging.getLogger("mail.audit")
calls: Counter[str] = Counter()
pipeline = Pipeline()


@pipeline.on("tool:success", tool="github.*")
def count(event: Event) -> None:
    calls[event.target] += 1


@pipeline.on("tool:denied")
def log_denied(event: Event) -> None:
    log.warning("%s.%s refused: %s (%s)", event.server, event.target, event.refusal.message, event.refusal.reason)


pipeline.tool("github.delete_*", lambda ctx: ctx.deny("Nothing is deleted here."))

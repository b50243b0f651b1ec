"""A limit for each tenant, by a key of one's own."""

from allowly_middleware.limits import SlidingWindow
from allowly_middleware.pipeline import CallFacts, Pipeline


def by_tenant(facts: CallFacts) -> tuple[str, ...]:
    """Count each tenant that the server knows; all others share one count."""
    subject = facts.subject
    return ("tenant", subject.tenant) if subject.authenticated and subject.tenant else ("no tenant",)


pipeline = Pipeline("mail", limits=SlidingWindow(1000, 3600, key=by_tenant, name="calls of one tenant"))

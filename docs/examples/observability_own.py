"""An observer of one's own: it counts what is refused."""

from collections import Counter

from allowly_middleware.observability import AuditRecord, Decision
from allowly_middleware.pipeline import Pipeline

refused: Counter[str] = Counter()


def count(record: AuditRecord) -> None:
    """Count a request that was not run."""
    if record.decision not in {Decision.ALLOWED, Decision.ASKED}:
        refused[record.reason] += 1


pipeline = Pipeline("mail", observers=[count])

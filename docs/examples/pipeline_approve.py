"""What the policy asks about is put to somebody in this process."""

from allowly_middleware.pipeline import ApprovalRequest, Approve, Deny, Pipeline
from allowly_middleware.policy import Policy, allow, confirm

READABLE = 80

policy = Policy(name="github", rules=(allow("github.*"), confirm("github.delete_*", "github.create_*")))


async def ask(request: ApprovalRequest) -> Approve | Deny:
    """Ask the person at the desk; here they allow what is short."""
    text = request.facts.arguments.get("text", "")
    return Approve(by="grace") if len(text) <= READABLE else Deny("That is too long to be read.", by="grace")


pipeline = Pipeline(policy=policy, approve=ask, approve_timeout_seconds=120)

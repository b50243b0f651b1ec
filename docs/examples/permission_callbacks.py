"""A `can_use_tool` callback as an approver, and an approver as a `can_use_tool` callback."""

from allowly_harness import Answer, ApprovalRequest, connect
from allowly_harness.adapters import PermissionApprover, can_use_tool
from allowly_harness.adapters.permission import Allow, Deny


async def my_callback(tool_name: str, given: dict, context: object) -> Allow | Deny:
    """Decide as you always have; results of the Claude Agent SDK are as good as these."""
    print(context.title)
    return Allow() if tool_name == "mcp__mail__send_email" else Deny(f"not {tool_name}")


async def main(server: str, **options: object) -> None:
    """Let the callback answer for the calls of a guarded server."""
    async with connect(server, approver=PermissionApprover(my_callback), name="mail", **options) as session:
        result = await session.call_tool("send_email", {"to": "ada@example.com", "subject": "Hi", "body": "Hello"})
        print("failed:" if result.is_error else "done:", result.content[0].text)


async def ask(request: ApprovalRequest) -> Answer:
    """Ask a person in whatever way you have."""
    return Answer.deny(f"no {request.call.tool} today")


callback = can_use_tool(ask, requester="coder", dangerous=("Bash",))

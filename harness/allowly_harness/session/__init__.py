"""The session on `mcp.ClientSession`: one logical call, its legs, what a server asks for meanwhile, and its end."""

from allowly_harness.session.session import ApprovingClientSession

__all__ = ["ApprovingClientSession"]

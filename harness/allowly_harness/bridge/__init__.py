"""MCP served to a host that nobody here controls, with an approving session behind it."""

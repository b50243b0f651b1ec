"""Demo MCP servers with real effects, guarded by `AllowlyMCPMiddleware`. Each also runs as a file."""

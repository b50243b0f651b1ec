"""The authority over HTTP: who may speak, how requests are read, and one module of endpoints for each resource."""

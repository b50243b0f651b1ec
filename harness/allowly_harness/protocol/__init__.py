"""The approval conversation, sans I/O: values, effects, the flow, and the table that binds it."""

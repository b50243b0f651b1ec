"""What `doctor` looks at: one module for each part of a set-up. None of them calls a tool or prints a key."""

"""A terminal session without a screen: tools, resources, prompts, calls. Both front ends show it."""

"""The full screen of a terminal that answers for agents in other processes."""

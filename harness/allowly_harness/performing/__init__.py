"""Performs the effects of the conversation: asks through the desk, reports to the authority, keeps the journal."""

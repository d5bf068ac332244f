"""Runs one target at a time on this agent with its collectors, and leaves nothing behind."""

"""Runs one target on this agent, alone, with its collectors, and leaves nothing behind."""

"""Runs apps, and what is around them, as processes of this machine."""

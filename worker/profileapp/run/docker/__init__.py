"""Runs apps, and what is around them, in Docker containers."""

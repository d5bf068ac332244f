"""Processes in /proc, and those that belong to the app."""

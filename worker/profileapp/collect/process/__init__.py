"""Processes as /proc has them, and which of them are the app's."""

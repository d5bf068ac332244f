"""Runs apps and their services as processes of this machine."""

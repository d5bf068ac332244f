"""Runs apps and their services in Docker containers."""

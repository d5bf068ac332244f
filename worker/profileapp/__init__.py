"""Runs an app's container in each of its configurations, measures its resource use, and reports it."""

__version__ = "0.1.0"

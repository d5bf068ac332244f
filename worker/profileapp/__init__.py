"""Runs an app's container in each of its configurations, measures it, and reports what it costs."""

__version__ = "0.1.0"

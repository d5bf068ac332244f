"""Expands a configuration into the plan: what is to be run where."""

"""Reads the `profiling:` section of a sage.yaml."""

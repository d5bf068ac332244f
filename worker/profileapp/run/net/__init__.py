"""Connections that an app's configuration makes the worker open, limited in addresses, time and size."""

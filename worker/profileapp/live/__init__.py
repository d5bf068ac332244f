"""Watches running apps: attaches to them, shows and records their resource use. Starts, stops and changes none."""

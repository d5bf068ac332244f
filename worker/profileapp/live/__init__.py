"""Watches apps that run already: attaches to them, shows and records what they cost. Starts, ends and changes none."""

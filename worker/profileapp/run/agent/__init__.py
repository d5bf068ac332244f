"""The machine that measures: what it is, whose turn it is, and what outlives a crash."""

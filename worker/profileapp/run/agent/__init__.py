"""The machine that measures: its hardware and software, its lock, and the state that survives a crash."""

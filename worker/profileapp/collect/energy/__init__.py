"""Energy, from counters and from power: metric `energy`."""

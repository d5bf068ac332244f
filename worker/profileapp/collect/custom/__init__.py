"""App-reported metrics: metric `custom`."""

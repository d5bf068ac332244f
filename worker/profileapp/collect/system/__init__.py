"""The whole device, other than a Jetson: metric `system`."""

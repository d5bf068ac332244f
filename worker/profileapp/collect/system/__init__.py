"""The whole device, if it is not a Jetson: metric `system`."""

"""The whole device, where it is no Jetson: metric `system`."""

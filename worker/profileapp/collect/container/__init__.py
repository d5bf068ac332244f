"""The app's own resource use: metric `container`."""

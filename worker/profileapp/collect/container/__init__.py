"""The app's own cost: metric `container`."""

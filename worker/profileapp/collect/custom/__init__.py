"""What the app itself says: metric `custom`."""

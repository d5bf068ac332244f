"""What an app has around it: services, playback, broker."""

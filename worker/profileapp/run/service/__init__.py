"""The environment of an app: services, playback, broker."""

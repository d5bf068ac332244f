"""Plays recordings as cameras and microphones would: a program of its own, of the standard library alone."""

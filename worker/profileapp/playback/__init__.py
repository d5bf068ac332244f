"""Plays recordings as cameras and microphones: a separate program, standard library only."""

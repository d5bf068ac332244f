"""Plays recordings as cameras and microphones would: a separate program, standard library only."""

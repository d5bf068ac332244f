"""Judges recorded runs. Needs only the files of a run, so it can be repeated years later."""

"""Judges what was recorded: works from the files of a run alone, so it can be done again years later."""

"""Pages that need no script, with what they link to."""

"""HTML pages that need no script, and the files they link to."""

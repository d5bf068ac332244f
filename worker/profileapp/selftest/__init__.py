"""Known loads, which prove on an agent that what is measured is what was used."""

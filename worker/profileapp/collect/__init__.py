"""Where samples come from: one file a source. Knows nothing of who reads them."""

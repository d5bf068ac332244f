"""Downloads, checks, unpacks and caches datasets."""

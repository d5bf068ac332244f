"""The cost of measuring, as a ratio to a peer measured in the same run: `make bench`."""

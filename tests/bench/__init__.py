"""What measuring itself costs, each as a ratio to a peer measured in the same run: `make bench`."""

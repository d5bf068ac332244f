"""Datasets: got, checked, unpacked, and kept by their content."""

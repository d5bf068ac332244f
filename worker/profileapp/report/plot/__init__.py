"""Plots as SVG, for light pages and for dark ones."""

"""Readers of a container's kernel files, each opened once and read at each sample; `table.py` lists them."""

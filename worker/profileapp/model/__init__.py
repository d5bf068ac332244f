"""The records that cross from one room to the next; this package imports nothing of the others."""

"""The records that cross package boundaries; this package imports none of the others."""

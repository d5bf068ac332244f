"""The migrations of the tables (Alembic)."""

"""The database: runs, series, samples, tables and saved configurations; SQLite or PostgreSQL, by the store extra."""

"""What a run leaves on disk: metrics.ndjson and run.json, written as it goes."""

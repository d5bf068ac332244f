"""The recording of a run on disk: metrics.ndjson and run.json, written during the run."""

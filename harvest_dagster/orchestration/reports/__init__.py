"""What a run reports to Dagster: finished and failed days, metadata, errors."""

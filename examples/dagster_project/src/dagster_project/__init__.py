"""A Dagster project with sources."""

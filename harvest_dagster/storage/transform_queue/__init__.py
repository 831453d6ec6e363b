"""Ingest logs as a queue of data to transform, the runs that work on it, and the documents they write."""

"""The lease of each IngestConfig: one writer at a time, with a fencing token."""

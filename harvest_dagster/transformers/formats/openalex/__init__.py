"""The transformer `openalex`."""

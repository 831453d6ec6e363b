"""The transformer `crossref`."""

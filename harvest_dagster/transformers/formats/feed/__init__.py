"""The transformer `feed`."""

"""The transformer `datacite`."""

"""The transformer `schema_org`."""

"""The transformer `jats`."""

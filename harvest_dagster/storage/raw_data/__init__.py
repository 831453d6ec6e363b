"""Identifiers and raw data, which are written in bulk on both databases."""

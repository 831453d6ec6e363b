"""Tests of the recognition of identifiers, dates and languages."""

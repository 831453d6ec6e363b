"""Recognize identifiers, dates, languages, licenses and terms of vocabularies."""

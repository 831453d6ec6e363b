"""Formats that several protocols share: strict parsers, canonical forms and dates."""

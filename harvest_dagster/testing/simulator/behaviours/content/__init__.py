"""Behaviours of the body of a response: its encoding, its document, and single records."""

"""Behaviours of lists: totals, tokens, dates of requests, and changes between two pages."""

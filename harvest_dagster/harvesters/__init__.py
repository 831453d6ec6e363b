"""Protocols: HTTP in, pages and records out. A module each; `interface` says what they owe."""

"""Transformers: each turns one raw datum of its format into one normalized document. See `interface`."""

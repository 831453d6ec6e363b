"""The harvest logs: their rows, their status, their counts, and the time they cover."""

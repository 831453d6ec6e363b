"""Absent records, deletions, and the decisions to delete."""

"""Decides which records that a source no longer lists are marked as deleted."""

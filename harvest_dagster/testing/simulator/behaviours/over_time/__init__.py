"""Behaviours that hide or alter what the source has, while the truth stays the same: see `Server.truth`."""

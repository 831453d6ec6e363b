"""The pages of a list: how they are requested, and where the list ends."""

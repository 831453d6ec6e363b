"""The transformer `europepmc`."""

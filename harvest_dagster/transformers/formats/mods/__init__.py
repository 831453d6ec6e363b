"""The transformer `mods`."""

"""The transformer `dcat`."""

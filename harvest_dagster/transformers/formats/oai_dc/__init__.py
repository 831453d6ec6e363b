"""The transformer `oai_dc`."""

"""The transformer `oai_openaire`."""

"""The transformers of metadata formats, one module for each."""

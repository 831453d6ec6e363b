"""The transformer `arxiv`."""

"""HTML pages that a source sends in place of a protocol response."""

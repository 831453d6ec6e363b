"""One request and its response on the wire: connections, bodies, headers, redirects."""

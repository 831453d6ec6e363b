"""The HTTP server of the simulator: connections, messages and the request log."""

"""The files in deploy/, without a daemon of Docker or a cluster."""

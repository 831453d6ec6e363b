"""One module for each command of `harvest`."""

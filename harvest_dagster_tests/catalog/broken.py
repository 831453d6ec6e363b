"""A plug-in whose import raises an error that is not an ImportError."""

raise RuntimeError("the driver is too old")

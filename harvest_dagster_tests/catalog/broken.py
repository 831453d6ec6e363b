"""A plug-in whose driver is there and fails (Lesson 15)."""

raise RuntimeError("the driver is too old")

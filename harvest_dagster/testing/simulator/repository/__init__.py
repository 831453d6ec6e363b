"""The records of the simulated repository: settings, content, edits, lists and resumption tokens."""

"""Rules of the step store: how many invalid records are too many, and which records are outside their window."""

"""Everything that knows Dagster, a module for each of its concepts; nothing else in this package does."""

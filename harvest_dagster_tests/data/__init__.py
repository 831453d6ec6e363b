"""The rows that readers get."""

"""Read a record so that nothing is lost."""

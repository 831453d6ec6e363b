"""Care of the whole database: check it (`integrity`), measure it (`sizes`), delete what is old (`prune`), copy it."""

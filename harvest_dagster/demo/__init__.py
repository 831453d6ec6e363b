"""`make demo` and `make dev`: the whole way of a record on one machine, with nothing to set up.

They start the simulated repository, write an IngestConfig for it, run Dagster's own command line as a user
would, and show what the database holds afterwards. All they make lies in `.demo` below the working directory.
This package stands above the product and takes only what any user has: a YAML file, environment variables,
commands, tables.
"""

"""`make demo` and `make dev`: harvest and transform a simulated source on one machine, without any set-up.

The commands start the simulated repository, write an IngestConfig for it, run Dagster's own command line as a user
does, and show what the database contains afterwards. All files are in `.demo` below the working directory. This package
uses only what every user has: a YAML file, environment variables, commands and tables.
"""

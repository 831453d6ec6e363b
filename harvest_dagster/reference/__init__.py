"""The generated pages of the documentation, in docs/reference: keys of the YAML, tables, run config, environment.

`python -m harvest_dagster.reference`, or `make reference`, writes them. A test fails if a page is outdated. The command
line is not here: Sphinx reads it from the commands when it builds the site. See docs/decisions/0050.
"""

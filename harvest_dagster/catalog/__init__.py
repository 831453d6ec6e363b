"""What is harvested: the IngestConfigs, read from YAML, checked, and nothing done with them yet.

`loader.load_catalog` is the way in. From here nobody reaches a network, a database or a clock, and of the
environment `HARVEST_SOURCES` alone is read; the secrets of a config are filled in when its harvest runs.
"""

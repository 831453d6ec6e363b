"""The catalog: read the IngestConfigs from YAML and validate them.

Start with `loader.load_catalog`. This package uses no network, no database and no clock. Loading reads one
environment variable, `HARVEST_SOURCES`. The secrets of a config are resolved later, when its harvest runs.
"""

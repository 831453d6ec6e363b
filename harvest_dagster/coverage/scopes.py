"""What counts for a source today: the present versions of its plug-ins, and the present arguments."""

from __future__ import annotations

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import deciding_arguments, digest_of
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.harvest_log.queries import LogScope


def log_scope(config: IngestConfig, config_id: int) -> LogScope:
    """Return the harvest logs that count for a config, as `HarvestContext.scope` does.

    Raises:
        UnknownPlugin: the harvester cannot be loaded.
    """
    version = int(plugins.load(plugins.HARVESTERS, config.harvester).VERSION)
    return LogScope(config_id, version, digest_of(deciding_arguments(config)))


def transformer_version(config: IngestConfig) -> int:
    """Return the version of the config's transformer; 0 if the config names no transformer.

    Raises:
        UnknownPlugin: the transformer cannot be loaded.
    """
    if config.transformer is None:
        return 0
    return int(plugins.load(plugins.TRANSFORMERS, config.transformer).VERSION)

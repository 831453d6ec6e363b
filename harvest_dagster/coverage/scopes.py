"""What counts for a source today: the present versions of its plug-ins, and the present arguments."""

from __future__ import annotations

from harvest_dagster import plugins
from harvest_dagster.catalog.arguments import deciding_arguments, digest_of
from harvest_dagster.catalog.plaintext_secrets import masked_arguments
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.transform_queue.versions import DeclaredTransformer


def log_scope(config: IngestConfig, config_id: int) -> LogScope:
    """Return the harvest logs that count for a config, as `HarvestContext.scope` does.

    Raises:
        UnknownPlugin: the harvester cannot be loaded.
    """
    version = int(plugins.load(plugins.HARVESTERS, config.harvester).VERSION)
    return LogScope(config_id, version, digest_of(deciding_arguments(config)))


def declared_transformer(config: IngestConfig) -> DeclaredTransformer:
    """Return what the config names as its transformer; version 0 if it names none.

    Raises:
        UnknownPlugin: the transformer cannot be loaded.
    """
    key, arguments = config.transformer, masked_arguments(config.transformer_kwargs)
    digest = digest_of({"transformer": key, "transformer_kwargs": arguments})
    version = 0 if key is None else int(plugins.load(plugins.TRANSFORMERS, key).VERSION)
    return DeclaredTransformer(version, digest)

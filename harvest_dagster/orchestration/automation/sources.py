"""The sources a sensor looks at, each on its own: one that cannot be looked at holds up no other (Lesson 15)."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

from harvest_dagster import plugins
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.storage.harvest_logs import Series

_T = TypeVar("_T")


def series_of(config: IngestConfig, ids: Mapping[str, int]) -> Series | None:
    """A source's logs under its present harvester version; None where it was never harvested.

    Raises:
        UnknownPlugin: the harvester cannot be loaded.
    """
    version = int(plugins.load(plugins.HARVESTERS, config.harvester).VERSION)
    return Series(ids[config.label], version) if config.label in ids else None


def one_by_one(
    log: logging.Logger, configs: Iterable[IngestConfig], work: Callable[[IngestConfig], _T]
) -> Iterator[tuple[IngestConfig, _T]]:
    """Each config with what `work` gives of it; those where it raises are told of, and left out."""
    for config in configs:
        try:
            done = work(config)
        except Exception:  # noqa: PERF203  # whatever it is: the other sources have done nothing wrong
            log.exception("the source %s is left out", config.label)
        else:
            yield config, done

"""Evaluate each source separately, so that one source cannot stop a sensor for all others."""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from harvest_dagster.catalog.schema import IngestConfig

_T = TypeVar("_T")


def evaluate_each(
    log: logging.Logger, configs: Iterable[IngestConfig], evaluate: Callable[[IngestConfig], _T]
) -> Iterator[tuple[IngestConfig, _T]]:
    """Yield each config with the result of `evaluate`. Log and skip a config for which `evaluate` raises.

    One config with a missing driver once stopped scheduling for all sources: docs/failures.md#one-bad-source-stops-all
    """
    for config in configs:
        try:
            result = evaluate(config)
        except Exception:  # noqa: PERF203  # any error: the other sources did not cause it
            log.exception("the source %s is skipped", config.label)
        else:
            yield config, result

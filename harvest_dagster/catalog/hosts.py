"""The hosts of a catalog, and the rate limits that its configs set for them.

Here: the limits by host, and a warning for each host whose configs set different limits. Not here: the budget
that enforces them (`http.rate_limit.budget`, `storage.rate_limit.database_budget`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.secrets import resolve, strings
from harvest_dagster.errors import MissingSecret
from harvest_dagster.rate_limits import Limit, host_of


def rate_limit_of(config: IngestConfig) -> Limit:
    """Return the `rate_limit` of a config as a value for the budget."""
    return Limit(config.rate_limit.calls, config.rate_limit.period)


def limits_by_host(
    configs: Iterable[IngestConfig], environ: Mapping[str, str] | None = None
) -> dict[str, dict[Limit, list[str]]]:
    """Return for each host the limits that the configs set for it, each with the labels of its configs.

    A host is any host of an http or https address in `harvester_kwargs`.

    Args:
        configs: all configs that may send requests to the same hosts.
        environ: the environment variables. If it is None, or lacks a variable, hosts that contain the variable
            are omitted.
    """
    limits: dict[str, dict[Limit, list[str]]] = {}
    for config in configs:
        kwargs: Mapping[str, Any] = config.harvester_kwargs
        if environ is not None:
            with suppress(MissingSecret):
                kwargs, _ = resolve(kwargs, environ, config.label)
        for host in sorted(set(_hosts(kwargs))):
            limits.setdefault(host, {}).setdefault(rate_limit_of(config), []).append(config.label)
    return limits


def named_hosts(config: IngestConfig, environ: Mapping[str, str]) -> frozenset[str]:
    """Return the hosts of the addresses in the arguments of the harvester. `auth` is meant for them.

    Raises:
        MissingSecret: a variable of the arguments is not set, or empty.
    """
    kwargs, _ = resolve(config.harvester_kwargs, environ, config.label)
    return frozenset(_hosts(kwargs))


def main_host(config: IngestConfig) -> str | None:
    """Return the host of the first address in the arguments of the harvester, None if it comes from the environment."""
    return first_host(config.harvester_kwargs)


def first_host(kwargs: Mapping[str, Any]) -> str | None:
    """Return the host of the first address in some arguments, None if it comes from the environment."""
    return next(_hosts(kwargs), None)


def conflicting_limits(configs: Iterable[IngestConfig]) -> Iterator[tuple[str, str]]:
    """Yield a label and a warning for each host whose configs set different limits.

    The label is that of a config with the highest limit.
    """
    for host, limits in limits_by_host(configs).items():
        if len(limits) == 1:
            continue
        listed = " and ".join(f"{limit} ({', '.join(labels)})" for limit, labels in limits.items())
        message = (
            f"the configs of the host {host} set different limits: {listed}. All of these limits apply to each "
            "of these configs, so the strictest one decides. Give all of them the same rate_limit"
        )
        highest = max(limits, key=lambda limit: limit.rate)
        yield limits[highest][0], message


def _hosts(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for text in strings(dict(kwargs)):
        with suppress(ValueError):  # not an address; the harvester validates its own arguments
            host = host_of(text) if text.strip().lower().startswith(("http://", "https://")) else ""
            if host and "${" not in host:
                yield host

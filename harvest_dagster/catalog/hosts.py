"""Which hosts a catalogue's configs ask, and what limits each of these has to be asked within.

Here: the limits by host, and the notes where two configs of one host do not agree. Not here: holding to them
(`http.budget`, `storage.budgets`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.secrets import resolve, strings
from harvest_dagster.errors import MissingSecret
from harvest_dagster.limits import Limit, host_of


def limit_of(config: IngestConfig) -> Limit:
    """What its `rate_limit` says."""
    return Limit(config.rate_limit.calls, config.rate_limit.period)


def limits_by_host(
    configs: Iterable[IngestConfig], environ: Mapping[str, str] | None = None
) -> dict[str, dict[Limit, list[str]]]:
    """The limits of every host that a config names in an address, and the labels of the configs.

    Args:
        configs: all those that may ask the same hosts.
        environ: where `${NAME}` is read from; without it a host that is written so stays unknown, and likewise
            where it is not set.
    """
    found: dict[str, dict[Limit, list[str]]] = {}
    for config in configs:
        kwargs: Mapping[str, Any] = config.harvester_kwargs
        if environ is not None:
            with suppress(MissingSecret):
                kwargs, _ = resolve(kwargs, environ, config.label)
        for host in sorted(set(_hosts(kwargs))):
            found.setdefault(host, {}).setdefault(limit_of(config), []).append(config.label)
    return found


def disagreements(configs: Iterable[IngestConfig]) -> Iterator[tuple[str, str]]:
    """A note for each host whose configs have different limits, with the label of one that should change."""
    for host, limits in limits_by_host(configs).items():
        if len(limits) < 2:  # noqa: PLR2004 - one agrees with itself
            continue
        listed = " and ".join(f"{limit} ({', '.join(labels)})" for limit, labels in limits.items())
        message = (
            f"configs of the host {host} have different limits: {listed}; all of them hold for each of these "
            "configs, so the strictest does. Give them one rate_limit"
        )
        laxest = max(limits, key=lambda limit: limit.calls / limit.period)
        yield limits[laxest][0], message


def _hosts(kwargs: Mapping[str, Any]) -> Iterator[str]:
    for text in strings(dict(kwargs)):
        with suppress(ValueError):  # no address, whatever it is
            host = host_of(text) if text.strip().lower().startswith(("http://", "https://")) else ""
            if host and "${" not in host:
                yield host

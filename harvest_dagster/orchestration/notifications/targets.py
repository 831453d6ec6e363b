"""The places that messages are sent to: HARVEST_NOTIFY, and `notify` in the YAML of a source.

A place has a name that says where its address is written. The address itself contains secrets, so nothing shows it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.catalog.secrets import resolve
from harvest_dagster.errors import MissingSecret
from harvest_dagster.storage.reported_states import ReportKey

NOTIFY_VARIABLE = "HARVEST_NOTIFY"


@dataclass(frozen=True)
class Recipient:
    """An address, and the sources that are reported to it. Several places may contain the same address.

    Attributes:
        name: the first place, for logs: `HARVEST_NOTIFY 1`, or `notify 1 of zenodo`.
        url: the Apprise URL, with its secrets.
        keys: the sources, each with the place that asks for it.
    """

    name: str
    url: str = field(repr=False)
    keys: tuple[ReportKey, ...]


def has_recipients(configs: Iterable[IngestConfig], environ: Mapping[str, str]) -> bool:
    """Return whether anybody is to be notified."""
    return bool(environ.get(NOTIFY_VARIABLE, "").split()) or any(config.notify for config in configs)


def find_recipients(
    configs: Iterable[IngestConfig], environ: Mapping[str, str]
) -> tuple[list[Recipient], list[str]]:
    """Return each address once, and a warning for each variable that is missing.

    Equal addresses become one recipient, so that people get one message about many sources.
    """
    places: dict[str, list[tuple[str, ReportKey]]] = {}
    warnings = []
    for config in configs:
        for name, url, key in _global_places(config, environ):
            places.setdefault(url, []).append((name, key))
        try:
            for name, url, key in _own_places(config, environ):
                places.setdefault(url, []).append((name, key))
        except MissingSecret as error:
            warnings.append(f"`notify` is not used: {error}")
    recipients = [
        Recipient(found[0][0], url, tuple(key for _, key in found)) for url, found in places.items()
    ]
    return recipients, warnings


def _global_places(config: IngestConfig, environ: Mapping[str, str]) -> Iterator[tuple[str, str, ReportKey]]:
    for number, url in enumerate(environ.get(NOTIFY_VARIABLE, "").split(), start=1):
        name = f"{NOTIFY_VARIABLE} {number}"
        yield name, url, ReportKey(config.label, name)


def _own_places(config: IngestConfig, environ: Mapping[str, str]) -> Iterator[tuple[str, str, ReportKey]]:
    kwargs, _ = resolve({"notify": list(config.notify)}, environ, config.label)
    for number, url in enumerate(kwargs["notify"], start=1):
        name = f"notify {number}"
        yield f"{name} of {config.label}", url, ReportKey(config.label, name)

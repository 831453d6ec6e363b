"""What is put to the test: a harvester, and its arguments for the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harvest_dagster import plugins
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.simulator.behaviours.base import JSON, OAI
from harvest_dagster.simulator.server import Server

OAI_URL, JSON_URL = "{oai_url}", "{json_url}"
_UNDER_TEST = "under-test"  # the key of a class that is registered nowhere

_CURSOR = {"by": "cursor", "path": "next", "param": "cursor"}
ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "oai": {"base_url": OAI_URL},
    "json": {
        "base_url": JSON_URL,
        "params": {"from": "{from}", "until": "{until}"},
        "granularity": "second",
        "records": "records",
        "identifier": "id",
        "datestamp": "updated",
        "deleted": {"path": "deleted"},
        "total": "total",
        "next": _CURSOR,
        "volatile": ["updated"],
    },
}
"""How our own harvesters are told of the simulator."""

# What the YAML of such a source would say.
_OF_BEHAVIOURS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "json": {"token-stays": {"next": {**_CURSOR, "end": "empty_page", "single_use": True}}}
}


@dataclass(frozen=True)
class Subject:
    """A harvester with its arguments.

    Attributes:
        harvester: the key of one that is registered, or `module:Class`.
        arguments: its `harvester_kwargs`, in which `{oai_url}` and `{json_url}` stand for the simulator's.
    """

    harvester: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> str:
        """Which of the simulator's protocols it speaks: the one whose URL it is given."""
        return JSON if JSON_URL in str(self._told("")) else OAI

    def config(self, server: Server, behaviour: str) -> IngestConfig:
        """The config of the simulator as a source.

        Args:
            server: where it answers.
            behaviour: what it does to us; some sources need to be described otherwise.

        Raises:
            ValueError: the arguments are no YAML mapping of a config.
        """
        key = self.harvester
        if ":" in key:
            plugins.use(plugins.HARVESTERS, _UNDER_TEST, key)
            key = _UNDER_TEST
        urls = {OAI_URL: server.url, JSON_URL: server.json_url}
        return IngestConfig(
            label="conformance", harvester=key, harvester_kwargs=_filled(self._told(behaviour), urls)
        )

    def _told(self, behaviour: str) -> dict[str, Any]:
        if self.arguments:
            return dict(self.arguments)
        special = _OF_BEHAVIOURS.get(self.harvester, {}).get(behaviour, {})
        return {**ARGUMENTS.get(self.harvester, {}), **special}


def _filled(value: Any, urls: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, url in urls.items():
            value = value.replace(placeholder, url)
        return value
    if isinstance(value, Mapping):
        return {key: _filled(member, urls) for key, member in value.items()}
    return [_filled(member, urls) for member in value] if isinstance(value, list) else value

"""The harvester under test, and its arguments for the simulator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import Any

from harvest_dagster import plugins
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.testing.simulator.behaviours.base import ANY_OTHER, JSON, OAI, Contract, NamedBehaviour
from harvest_dagster.testing.simulator.protocols.renderer import TOKENS, Renderer
from harvest_dagster.testing.simulator.protocols.rest import Paging
from harvest_dagster.testing.simulator.serving.server import Server

OAI_URL, JSON_URL, LIST_URL = "{oai_url}", "{json_url}", "{list_url}"
_WITHOUT_TOKENS = frozenset({"page", "offset"})  # pagings in which a client counts
_UNDER_TEST = "under-test"  # the plug-in key of a class that is not registered

_CURSOR = {"by": "cursor", "path": "next", "param": "cursor"}
# The harvester_kwargs with which the harvesters of this package harvest the simulator.
DEFAULT_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "oai": {"base_url": OAI_URL},
    "rest": {
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

# Changes of DEFAULT_ARGUMENTS for a behaviour that the YAML of such a source declares.
_ARGUMENTS_BY_BEHAVIOUR: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "rest": {"token-stays": {"next": {**_CURSOR, "end": "empty_page", "single_use": True}}}
}


@dataclass(frozen=True)
class HarvesterUnderTest:
    """A harvester with its arguments.

    Attributes:
        harvester: the key of a registered harvester, or `module:Class`.
        arguments: its `harvester_kwargs`, in which `{oai_url}`, `{json_url}` and `{list_url}` stand for the URLs of the
            simulator. Empty: the default arguments of a harvester of this package.
        paging: how the simulator pages the JSON API.
        renderer: `module:Class` of the renderer that shows the simulator's records in the protocol of the harvester,
            at `{list_url}`; empty for OAI-PMH and the JSON API.
    """

    harvester: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    renderer: str = ""
    paging: Paging = "cursor"

    @property
    def protocol(self) -> str:
        """The protocol of the simulator that the harvester uses, determined by the URL in its arguments."""
        arguments = str(self._arguments_for(""))
        if LIST_URL in arguments:
            return ANY_OTHER
        return JSON if JSON_URL in arguments else OAI

    def create_renderer(self) -> Renderer | None:
        """Return a new renderer of the harvester's protocol; None for a protocol of the simulator.

        Raises:
            ValueError: if `renderer` names no renderer, or `{list_url}` is used without one.
        """
        if not self.renderer:
            if self.protocol == ANY_OTHER:
                raise ValueError(
                    f"{LIST_URL} needs a renderer of the protocol. Name it with --renderer module:Class."
                )
            return None
        try:
            created = resolve_name(self.renderer)()
        except (ImportError, AttributeError, ValueError, TypeError) as error:
            raise ValueError(f"{self.renderer} cannot be loaded: {error}. Use module:Class.") from error
        if not isinstance(created, Renderer):
            raise ValueError(  # noqa: TRY004 - a wrong text in the arguments of the command
                f"{self.renderer} is not a renderer. Derive it from harvest_dagster.testing.simulator.Renderer."
            )
        return created

    def can_be_shown(self, behaviour: NamedBehaviour) -> bool:
        """Return whether a single harvest in the protocol of the harvester can show a behaviour."""
        if behaviour.contract is Contract.CONVERGES:
            return False
        if self.paging in _WITHOUT_TOKENS and (TOKENS in behaviour.needs or behaviour.name == "token-stays"):
            return False
        renderer = self.create_renderer()
        return behaviour.applies_to(self.protocol, () if renderer is None else renderer.features)

    def config(self, server: Server, behaviour: str) -> IngestConfig:
        """Return an IngestConfig with the simulator as its source.

        Args:
            server: the simulator.
            behaviour: the name of its behaviour; some behaviours need other arguments.

        Raises:
            ValueError: if the arguments are not valid in an IngestConfig.
        """
        key = self.harvester
        if ":" in key:
            plugins.register(plugins.HARVESTERS, _UNDER_TEST, key)
            key = _UNDER_TEST
        urls = {OAI_URL: server.url, JSON_URL: server.json_url, LIST_URL: server.list_url}
        arguments = _replace_placeholders(self._arguments_for(behaviour), urls)
        return IngestConfig(label="conformance", harvester=key, harvester_kwargs=arguments)

    def _arguments_for(self, behaviour: str) -> dict[str, Any]:
        if self.arguments:
            return dict(self.arguments)
        changes = _ARGUMENTS_BY_BEHAVIOUR.get(self.harvester, {}).get(behaviour, {})
        return {**DEFAULT_ARGUMENTS.get(self.harvester, {}), **changes}


def _replace_placeholders(value: Any, urls: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        for placeholder, url in urls.items():
            value = value.replace(placeholder, url)
        return value
    if isinstance(value, Mapping):
        return {key: _replace_placeholders(member, urls) for key, member in value.items()}
    return [_replace_placeholders(member, urls) for member in value] if isinstance(value, list) else value

"""What an IngestConfig says of an OAI-PMH source: its `harvester_kwargs`, checked when the catalogue is loaded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from harvest_dagster.harvesters.interface import Arguments

_RESERVED = frozenset({"verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"})
_SetSpec = Annotated[str, Field(min_length=1)]  # some sources break the protocol's pattern for them


class OaiArguments(Arguments):
    """`harvester_kwargs` of an OAI-PMH source.

    Attributes:
        base_url: of the repository; http or https.
        metadata_prefix: which format of the records.
        set: the setSpec of one set, or of several: one list each, in this order.
        trust_total: False where the source's completeListSize is known to be wrong; it is then not read.
        single_use_tokens: whether the source takes each resumptionToken once only (Lesson 23). None is then sent
            twice: what fails is begun anew.
        several_names: whether the pages of one list may name different repositories: nodes behind one address that
            each call themselves otherwise. Else such a page is refused as another repository's.
    """

    base_url: str
    metadata_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_.!~*'()]+$")] = "oai_dc"
    set: _SetSpec | Annotated[tuple[_SetSpec, ...], Field(min_length=1)] | None = None
    trust_total: bool = True
    single_use_tokens: bool = False
    several_names: bool = False

    @field_validator("base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise ValueError("base_url must be an http or https URL without a fragment")
        if taken := sorted(_RESERVED & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}):
            raise ValueError(
                f"base_url must not carry arguments of OAI-PMH: {', '.join(taken)}. Leave them out"
            )
        return url

    @property
    def lists(self) -> tuple[dict[str, str], ...]:
        """The arguments of each list, but for the dates."""
        prefix = {"metadataPrefix": self.metadata_prefix}
        if self.set is None:
            return (prefix,)
        return tuple(
            {**prefix, "set": name}
            for name in dict.fromkeys([self.set] if isinstance(self.set, str) else self.set)
        )

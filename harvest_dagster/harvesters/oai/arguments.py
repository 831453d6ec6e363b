"""The arguments of an OAI-PMH source: `harvester_kwargs`, validated when the catalog is loaded."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, field_validator

from harvest_dagster.harvesters.interface import Arguments, NotDeciding

_RESERVED = frozenset({"verb", "identifier", "metadataPrefix", "from", "until", "set", "resumptionToken"})
# Any text, because setSpecs of some sources violate the pattern of section 2.6.
_SetSpec = Annotated[str, Field(min_length=1)]


class OaiArguments(Arguments):
    """`harvester_kwargs` of an OAI-PMH source.

    Attributes:
        base_url: base URL of the repository, http or https.
        metadata_prefix: format of the records.
        set: setSpec of one set or of several sets. Several sets are one list each, in this order.
        trust_total: False if the source's completeListSize is known to be wrong. It is then ignored.
        single_use_tokens: True if the source accepts each resumptionToken only once, although section 3.5.1 requires
            it to accept the last token again. No token is then sent twice: if a page does not arrive, the list starts
            again from its first page (docs/failures.md#single-use-token).
        several_names: True if several nodes with different names answer at `base_url`. The pages of one list may then
            have different base URLs in `request`. If False, a page with another base URL is refused, because it may be
            of another repository.
    """

    base_url: str
    metadata_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9\-_.!~*'()]+$")] = "oai_dc"
    set: _SetSpec | Annotated[tuple[_SetSpec, ...], Field(min_length=1)] | None = None
    trust_total: Annotated[bool, NotDeciding()] = True
    single_use_tokens: Annotated[bool, NotDeciding()] = False
    several_names: Annotated[bool, NotDeciding()] = False

    @field_validator("base_url")
    @classmethod
    def _validate_base_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
            raise ValueError("base_url must be an http or https URL without a fragment")
        reserved = _RESERVED & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
        if reserved:
            raise ValueError(
                f"base_url must not contain arguments of OAI-PMH: {', '.join(sorted(reserved))}. Remove them"
            )
        return url

    @property
    def lists(self) -> tuple[dict[str, str], ...]:
        """The request arguments of each list, without the dates."""
        prefix = {"metadataPrefix": self.metadata_prefix}
        if self.set is None:
            return (prefix,)
        return tuple(
            {**prefix, "set": name}
            for name in dict.fromkeys([self.set] if isinstance(self.set, str) else self.set)
        )

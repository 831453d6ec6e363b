"""Secrets that somebody wrote into the YAML as they are, where `${NAME}` should stand.

They are recognised by the name of what they are the value of, or by where they stand in an address. They are masked
as the others are, in the database's copy of the config too, and loading warns of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harvest_dagster.catalog.problems import KeyPath
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.masking import is_secret_name, masker
from harvest_dagster.texts import MASK

ARGUMENTS = ("harvester_kwargs", "transformer_kwargs")
_SHORTEST = 6  # a shorter one would be masked within words: `auth: on`


def plain_secrets(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Each secret of some arguments that stands there as it is, and where."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from plain_secrets(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from plain_secrets(member, (*path, number))
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        found = _secrets_of(str(path[-1]) if path else "", str(value))
        yield from ((path, secret) for secret in found if len(secret) >= _SHORTEST and "${" not in secret)


def mirrored(config: IngestConfig) -> dict[str, Any]:
    """The config as JSON has it, its plain secrets masked: what the database may hold of it."""
    definition: dict[str, Any] = config.model_dump(mode="json")
    for name in ARGUMENTS:
        definition[name] = _masked(
            definition[name], [secret for _, secret in plain_secrets(definition[name])]
        )
    return definition


def _secrets_of(name: str, text: str) -> Iterator[str]:
    if is_secret_name(name):
        yield text
        scheme, _, rest = text.partition(" ")  # Bearer, Basic, ApiKey
        if scheme.isalpha():
            yield rest.strip()
    elif text.strip().lower().startswith(("http://", "https://")):
        with suppress(ValueError):
            yield from _secrets_of_address(text.strip())


def _secrets_of_address(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    credentials = parts.password or parts.username or ""
    yield from dict.fromkeys((credentials, unquote(credentials)))
    for name, value in parse_qsl(parts.query):
        if is_secret_name(name):
            yield value


def _masked(value: Any, secrets: list[str]) -> Any:
    mask = masker(secrets)

    def cleaned(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: cleaned(member) for key, member in part.items()}
        if isinstance(part, list):
            return [cleaned(member) for member in part]
        if isinstance(part, str):
            return mask(part)
        return MASK if str(part) in secrets else part

    return cleaned(value) if secrets else value

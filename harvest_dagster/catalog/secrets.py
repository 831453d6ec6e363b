"""Replace `${NAME}` in the arguments of a config by the environment variable NAME when the harvest runs.

Not here: the arguments of a harvester (`arguments`), and masking secrets in a text (`harvest_dagster.masking`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harvest_dagster.catalog.plaintext_secrets import (
    auth_values,
    find_plaintext_credentials,
    find_plaintext_secrets,
)
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.errors import MissingSecret

# "$${" stands for a literal "${".
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def strings(value: Any) -> Iterator[str]:
    """Yield every string in a YAML value, at any depth, except the keys of mappings."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)


def placeholder_names(value: Any) -> frozenset[str]:
    """Return the environment variables that a value refers to."""
    matches = (match.group(1) for text in strings(value) for match in _PLACEHOLDER.finditer(text))
    return frozenset(name for name in matches if name)


def has_malformed_placeholder(text: str) -> bool:
    """Return whether the text has a `${` without a valid name, such as `${MY-KEY}`.

    `resolve` would leave it in the text, and the harvester would send it to the source.
    """
    return "${" in _PLACEHOLDER.sub(" ", text)


def resolve(
    kwargs: Mapping[str, Any], environ: Mapping[str, str], label: str
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the arguments with every `${NAME}` replaced, and the values that replaced them.

    A `${NAME}` within such a value is not replaced.

    Args:
        kwargs: the arguments as they are in the YAML.
        environ: the environment variables.
        label: label of the config, for the error message.

    Raises:
        MissingSecret: a variable is not set, or empty. The message names all such variables and no value.
    """
    needed = placeholder_names(kwargs)
    if missing := sorted(name for name in needed if not environ.get(name)):
        message = (
            f"{label} needs environment variables that are missing or empty: {', '.join(missing)}. "
            "Set them where the runs of this code location start."
        )
        raise MissingSecret(message)
    return _replace(dict(kwargs), environ), frozenset(environ[name] for name in needed)


def secret_values(kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return all secrets of the arguments: first the values of their `${NAME}`, then the plain-text secrets.

    The order depends on the arguments only, not on the values in the environment.
    """
    return (*_named(kwargs, environ), *(secret for _, secret in find_plaintext_secrets(dict(kwargs))))


def credential_values(config: IngestConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return all secrets of `auth`, in the order of `secret_values`."""
    plain = (secret for _, secret in find_plaintext_credentials(config))
    return (*_named(auth_values(config), environ), *plain)


def _named(kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    return [environ.get(name, "") for name in sorted(placeholder_names(kwargs))]


def _replace(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: environ[match.group(1)] if match.group(1) else "${", value)
    if isinstance(value, dict):
        return {key: _replace(member, environ) for key, member in value.items()}
    if isinstance(value, list):
        return [_replace(member, environ) for member in value]
    return value

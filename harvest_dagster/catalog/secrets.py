"""`${NAME}` in the arguments of a config: filled in when the harvest runs, kept out of whatever is written.

Not here: which arguments a harvester takes (`arguments`), and how secrets are kept out of a text (`masking`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harvest_dagster.catalog.written import plain_secrets
from harvest_dagster.errors import MissingSecret

# "$${" stands for a literal "${".
_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def strings(value: Any) -> Iterator[str]:
    """Every string of a value of YAML, at any depth; the keys of mappings are none of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for member in value:
            yield from strings(member)


def names(value: Any) -> frozenset[str]:
    """The environment variables that a value refers to."""
    found = (match.group(1) for text in strings(value) for match in _PLACEHOLDER.finditer(text))
    return frozenset(name for name in found if name)


def is_malformed(text: str) -> bool:
    """Whether a `${` begins no name, such as `${MY-KEY}`: it would be sent as it stands."""
    return "${" in _PLACEHOLDER.sub(" ", text)


def resolve(
    kwargs: Mapping[str, Any], environ: Mapping[str, str], label: str
) -> tuple[dict[str, Any], frozenset[str]]:
    """The arguments with every `${NAME}` replaced, once, and the values that came in.

    Args:
        kwargs: as the YAML has them.
        environ: where the names are looked up.
        label: of the config, for the error.

    Raises:
        MissingSecret: a variable is not set, or empty; it names all of them, and no value.
    """
    needed = names(kwargs)
    if missing := sorted(name for name in needed if not environ.get(name)):
        listed = ", ".join(missing)
        message = (
            f"{label} needs {listed} from the environment, where it is not set, or empty. "
            "Set it where the runs of this code location start."
        )
        raise MissingSecret(message)
    return _replace(dict(kwargs), environ), frozenset(environ[name] for name in needed)


def values(kwargs: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Every secret of some arguments: what their `${NAME}` stand for, and what was written plainly (`written`).

    In an order that does not change with the values of the environment.
    """
    named = [environ.get(name, "") for name in sorted(names(kwargs))]
    return (*named, *(secret for _, secret in plain_secrets(dict(kwargs))))


def _replace(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: environ[match.group(1)] if match.group(1) else "${", value)
    if isinstance(value, dict):
        return {key: _replace(member, environ) for key, member in value.items()}
    if isinstance(value, list):
        return [_replace(member, environ) for member in value]
    return value

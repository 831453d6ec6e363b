"""`${NAME}` in the arguments of a config: filled in when the harvest runs, kept out of whatever is written.

Not here: which arguments a harvester takes (`arguments`).
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from harvest_dagster.errors import MissingSecret
from harvest_dagster.texts import MASK

_TELLING = 8  # characters of base64; fewer stand in other texts by chance
_URL_SAFE = str.maketrans("+/", "-_")
_RESERVED = "!#$&'()*+,/:;=?@[]~"

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


def redactor(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that masks every secret in a text, also quoted for a URL, JSON, HTML or Python, and in base64.

    To be called on a whole text: a secret that was cut off is not recognised.
    """
    forms = {form for secret in secrets for text in (secret, secret.strip()) for form in _forms(text)} - {""}
    if not forms:
        return str
    # The longest first, so that no tail of one stays behind; %2F is also written %2f.
    pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))), re.IGNORECASE)
    return lambda text: pattern.sub(MASK, text)


def _forms(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    # As `requests` quotes a URL in which it stands as it is: with and without its percent signs.
    yield from (quote(secret, safe=_RESERVED), quote(secret, safe=f"{_RESERVED}%"))
    yield from (
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        html.escape(secret),
        html.escape(secret, quote=False),
    )
    yield from _in_base64(secret.encode(errors="surrogateescape"))


def _in_base64(secret: bytes) -> Iterator[str]:
    """What is sure to stand in the base64 of a longer text with the secret in it, such as `user:password`."""
    for before in range(3):  # bytes before it, but for whole groups of three
        first, end = -(-8 * before // 6), 8 * (before + len(secret)) // 6
        text = base64.b64encode(bytes(before) + secret).decode()[first:end]
        if len(text) >= _TELLING:
            yield from (text, text.translate(_URL_SAFE))


def _replace(value: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: environ[match.group(1)] if match.group(1) else "${", value)
    if isinstance(value, dict):
        return {key: _replace(member, environ) for key, member in value.items()}
    if isinstance(value, list):
        return [_replace(member, environ) for member in value]
    return value

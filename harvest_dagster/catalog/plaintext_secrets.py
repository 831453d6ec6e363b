"""Find secrets that are written into the YAML as plain text, where `${NAME}` should stand.

A secret is recognized by the name of its key, or by its place in an address. The product masks it like any other
secret, also in the database's copy of the config. Loading warns about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from harvest_dagster.catalog.problems import KeyPath
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.masking import build_masker, is_secret_name
from harvest_dagster.texts import MASK

ARGUMENTS = ("harvester_kwargs", "transformer_kwargs")
# The keys of `auth` whose values are secret, whatever they look like.
_CREDENTIALS = ("token", "password", "value", "client_secret")
_SHORTEST = 6  # `auth: on`: masking a shorter value would mask parts of ordinary words


def find_plaintext_secrets(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path and the text of each secret that some arguments contain as plain text."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from find_plaintext_secrets(member, (*path, key))
    elif isinstance(value, list):
        for number, member in enumerate(value):
            yield from find_plaintext_secrets(member, (*path, number))
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        secrets = _secrets_in(str(path[-1]) if path else "", str(value))
        yield from ((path, secret) for secret in secrets if len(secret) >= _SHORTEST and "${" not in secret)


def find_plaintext_credentials(config: IngestConfig) -> Iterator[tuple[KeyPath, str]]:
    """Yield the path and the text of each secret that `auth` contains as plain text."""
    written = auth_values(config)
    names = [name for name in _CREDENTIALS if written.get(name)]
    if not written.get("password") and "username" in written:
        names.append("username")  # many services take a key in place of the user
    found = [(("auth", name), str(written[name])) for name in names if "${" not in str(written[name])]
    yield from dict.fromkeys([*found, *find_plaintext_secrets(written, ("auth",))])


def find_plaintext_paths(config: IngestConfig) -> Iterator[KeyPath]:
    """Yield the path of each value of a config that contains a secret as plain text, each once."""
    for name in ARGUMENTS:
        yield from dict.fromkeys(path for path, _ in find_plaintext_secrets(getattr(config, name), (name,)))
    yield from dict.fromkeys(path for path, _ in find_plaintext_credentials(config))
    yield from (("notify", place) for place, url in enumerate(config.notify) if has_plaintext_password(url))


def auth_values(config: IngestConfig) -> dict[str, Any]:
    """Return `auth` as it is in the YAML; empty if there is none."""
    return config.auth.model_dump(mode="json", by_alias=True) if config.auth else {}


def masked_definition(config: IngestConfig) -> dict[str, Any]:
    """Return the config as JSON values, with its plain-text secrets masked. The database stores this."""
    definition: dict[str, Any] = config.model_dump(mode="json", by_alias=True)
    for name in ARGUMENTS:
        definition[name] = masked_arguments(definition[name])
    secrets = [secret for _, secret in find_plaintext_credentials(config)]
    definition["auth"] = _masked(definition["auth"], secrets)
    definition["notify"] = [_masked_notify_url(url) for url in definition["notify"]]
    return definition


def masked_arguments(arguments: Any) -> Any:
    """Return arguments with their plain-text secrets masked."""
    return _masked(arguments, [secret for _, secret in find_plaintext_secrets(arguments)])


def has_plaintext_password(url: str) -> bool:
    """Return whether the URL of a `notify` has a password that is not a `${NAME}`."""
    with suppress(ValueError):
        return "${" not in (urlsplit(url).password or "${")
    return False


def _masked_notify_url(url: str) -> str:
    """Return a URL without all that may be a secret: many services have a token in the place of the host."""
    return url if url.startswith("${") else f"{url.partition('://')[0]}://{MASK}"


def _secrets_in(name: str, text: str) -> Iterator[str]:
    """Yield the secrets in the text of the key `name`."""
    if is_secret_name(name):
        yield text
        scheme, _, credentials = text.partition(" ")  # Bearer, Basic, ApiKey
        if scheme.isalpha():
            yield credentials.strip()
    elif text.strip().lower().startswith(("http://", "https://")):
        with suppress(ValueError):
            yield from _secrets_in_address(text.strip())


def _secrets_in_address(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    credentials = parts.password or parts.username or ""
    yield from dict.fromkeys((credentials, unquote(credentials)))
    for name, value in parse_qsl(parts.query):
        if is_secret_name(name):
            yield value


def _masked(value: Any, secrets: list[str]) -> Any:
    mask = build_masker(secrets)

    def masked(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {key: masked(member) for key, member in part.items()}
        if isinstance(part, list):
            return [masked(member) for member in part]
        if isinstance(part, str):
            return mask(part)
        return MASK if str(part) in secrets else part

    return masked(value) if secrets else value

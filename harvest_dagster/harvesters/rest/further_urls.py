"""The URLs of a source besides `base_url`. They are on its host, because the requests may contain credentials."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit


def find_address_faults(key: str, url: str, base_url: str | None) -> Iterator[str]:
    """Yield what is wrong with a further URL.

    Args:
        key: where the URL is in the YAML.
        url: the URL.
        base_url: `base_url`; None if that has an error.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.fragment:
        yield f"{key} must be an http or https URL without fragment"
    elif base_url is not None and _host(url) != _host(base_url):
        yield f"{key} must have the scheme and the host of base_url, because the request may contain credentials"
    if "@" in parts.netloc:
        yield f"{key} must not contain a user: those of base_url are sent"
    if "{" in parts.netloc.replace("${", ""):
        yield f"{key} must name its host: placeholders are not allowed in it"


def with_user(url: str, base_url: str) -> str:
    """Return a URL with the user and the password of `base_url`, if it has them."""
    parts = urlsplit(url)
    user, at, _ = urlsplit(base_url).netloc.rpartition("@")
    return parts._replace(netloc=f"{user}{at}{parts.netloc}").geturl()


def _host(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()

"""Mask secrets in texts for people: URLs, the content of requests, and excerpts of bodies.

A function that the caller passes masks the values of `${NAME}`. The values of parameters whose names mark them as
secret, and the user and password of a URL, are masked in any case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit, urlunsplit

from harvest_dagster.http.html.tags import tokens, visible_text
from harvest_dagster.masking import is_secret_name
from harvest_dagster.texts import MASK, cut_at_word, keep_ends, one_line

_MAX_EXCERPT = 200
_MAX_URL = 1000  # characters in a message
_MAX_CONTENT = 10_000  # characters of the content of a request in a manifest
_MAX_VALUE = 60  # characters of a parameter in a message: each message about a page repeats its token
_PROXY_VARIABLES = frozenset({"http_proxy", "https_proxy", "all_proxy"})
# Characters of a body to search for an excerpt: the text of an error is at the beginning. It is less than the
# transport reads of an error body (64 KiB), so that a secret which was cut there is never shown.
_MAX_READ = 60 * 1024


def proxy_credentials(environ: Mapping[str, str]) -> list[str]:
    """Return the users and passwords of the proxies that the environment names: a proxy may repeat them in a 407."""
    found: dict[str, None] = {}
    for name in sorted(environ):
        if name.lower() in _PROXY_VARIABLES:
            user_info = environ[name].rpartition("@")[0].rpartition("//")[2]
            user, _, password = user_info.partition(":")
            found |= dict.fromkeys((user_info, password, unquote(password)) if password else (user,))
    return [text for text in found if text.strip()]


@dataclass(frozen=True)
class Redactor:
    """Masks secrets in URLs and bodies.

    Attributes:
        replace: Returns a text with every known secret masked.
    """

    replace: Callable[[str], str]

    def url(self, url: str) -> str:
        """Return the URL without user, password and fragment, and with the values of secret parameters masked."""
        try:
            parts = urlsplit(self.replace(url))  # before it is split, because a secret may contain `&`
            query = "&".join(
                self._parameter(*pair) for pair in parse_qsl(parts.query, keep_blank_values=True)
            )
        except ValueError:
            return "(an invalid URL)"
        netloc = self._mask(parts.netloc.rpartition("@")[2])
        path = quote(self._mask(unquote(parts.path)), safe="/%:@!$&'()*+,;=~")
        shown = one_line(urlunsplit((parts.scheme, netloc, path, query, "")))
        return keep_ends(shown, _MAX_URL)

    def content(self, body: bytes) -> str:
        """Return the JSON content of a request, with secrets and the values of secret names masked."""
        try:
            document = json.loads(body)
        except ValueError:  # of a plug-in that sends something else
            text = self.replace(body.decode("utf-8", "replace"))
        else:
            text = json.dumps(self._masked_json(document), ensure_ascii=False)
        return keep_ends(text, _MAX_CONTENT)

    def _masked_json(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {self._mask(key): self._masked_json(member, key) for key, member in value.items()}
        if isinstance(value, list):
            return [self._masked_json(member, name) for member in value]
        if is_secret_name(name) and value is not None:
            return MASK
        if isinstance(value, str):
            return self._mask(value)
        masked = self.replace(text := json.dumps(value))
        return value if masked == text else masked

    def excerpt(self, body: bytes) -> str:
        """Return the beginning of a body as one line of at most 200 characters, without markup and secrets."""
        # Secrets are masked before the text is cut, decoded or stripped of markup, and again after it, because a part
        # of a secret is not recognized.
        text = self.replace(body.decode("utf-8", "replace"))
        line = self.replace(one_line(self._mask(visible_text(tokens(cut_at_word(text, _MAX_READ))))))
        return line if len(line) <= _MAX_EXCERPT else f"{line[:_MAX_EXCERPT]}…"

    def _parameter(self, name: str, value: str) -> str:
        shown = MASK if is_secret_name(name) else self._mask(value)
        return f"{quote_plus(self._mask(name))}={keep_ends(quote(shown, safe='*/:!,.~'), _MAX_VALUE)}"

    def _mask(self, text: str) -> str:
        """Return the text with secrets masked, whether they are plain or encoded for a URL."""
        decoded = unquote_plus(text)
        masked = self.replace(decoded)
        return self.replace(text) if masked == decoded else masked

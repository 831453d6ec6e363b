"""Secrets out of whatever a person may read: URLs, excerpts of bodies.

The values of `${NAME}` are known to a function that is handed in; what looks like a secret by its name, or by
where it stands in a URL, goes in any case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, quote_plus, unquote, unquote_plus, urlsplit, urlunsplit

from harvest_dagster.http.markup import pieces, without_tags
from harvest_dagster.masking import is_secret_name
from harvest_dagster.texts import MASK, beginning, one_line

EXCERPT = 200
# Characters of a body: an error's own words are at its beginning. Fewer than came: what the end cut off is left out.
_READ = 60 * 1024


@dataclass(frozen=True)
class Redactor:
    """What takes the secrets out.

    Attributes:
        replace: puts something harmless in the place of every secret value it knows.
    """

    replace: Callable[[str], str]

    def url(self, url: str) -> str:
        """The URL without user, password, fragment, and without the values of secret parameters."""
        try:
            parts = urlsplit(self.replace(url))  # first as a whole: a secret may hold an `&`
            query = "&".join(
                self._parameter(*pair) for pair in parse_qsl(parts.query, keep_blank_values=True)
            )
        except ValueError:
            return "(a URL that cannot be read)"
        netloc = self._masked(parts.netloc.rpartition("@")[2])
        path = quote(self._masked(unquote(parts.path)), safe="/%:@!$&'()*+,;=~")
        return urlunsplit((parts.scheme, netloc, path, query, ""))

    def excerpt(self, body: bytes) -> str:
        """The beginning of a body as one line of text without markup, a whole word or nothing of a secret."""
        text = self.replace(body.decode("utf-8", "replace"))
        # Before anything of it is cut, stripped or decoded, and after: a part of a secret is not recognised.
        line = self.replace(one_line(self._masked(without_tags(pieces(beginning(text, _READ))))))
        return line if len(line) <= EXCERPT else f"{line[:EXCERPT]}…"

    def _parameter(self, name: str, value: str) -> str:
        shown = MASK if is_secret_name(name) else self._masked(value)
        return f"{quote_plus(self._masked(name))}={quote(shown, safe='*/:!,.~')}"

    def _masked(self, text: str) -> str:
        """Without the secrets, whether they stand there as they are or encoded as in a URL."""
        decoded = unquote_plus(text)
        cleaned = self.replace(decoded)
        return self.replace(text) if cleaned == decoded else cleaned

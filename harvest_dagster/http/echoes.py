"""What a source echoes of our secrets: masked in its answers before anybody reads them, put back where it asks for it.

An answer goes into the spool, its records into the database, its cursors into both. So nothing but a mark with the
secret's number is left of it. Where the source built a link or a cursor of it, the mark comes back with the next
request, and the secret is put in its place, but only for a host that knows it: by what this session has sent there
or heard from there. Whoever writes such a mark into a link learns nothing. Not here: texts for people
(`http.redaction`), user and password, which no link chooses (`http.hop`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, unquote_plus

from harvest_dagster.http.hop import Hop
from harvest_dagster.masking import spellings
from harvest_dagster.texts import MASK

_SHORTEST = 8
_LONGEST_WORD = 15  # words and numbers up to here stand in data by chance


def stands_out(secret: str) -> bool:
    """Whether a secret is nothing that data may hold by chance: 8 characters, 16 where it is a word or a number."""
    return len(secret) >= _SHORTEST and (
        len(secret) > _LONGEST_WORD or not (secret.isalpha() or secret.isdecimal())
    )


@dataclass(frozen=True)
class _Secret:
    """One secret.

    Attributes:
        value: as it is sent.
        mark: stands in its place.
        patterns: of its spellings, each with the texts one of which stands wherever it does.
    """

    value: str
    mark: bytes
    patterns: tuple[tuple[frozenset[bytes], re.Pattern[bytes]], ...]

    def masked(self, body: bytes) -> bytes:
        """The body with the mark in each place of the secret; the same object where there is none."""
        for anchors, pattern in self.patterns:
            if any(anchor in body for anchor in anchors):
                body = pattern.sub(self.mark, body)
        return body


class Echoes:
    """The secrets of one session.

    Args:
        secrets: in an order that does not change with their values; those that do not stand out are left alone.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = sorted(_made(secrets), key=lambda secret: -len(secret.value))
        self._known: dict[str, set[bytes]] = {}

    def masked(self, host: str, body: bytes) -> bytes:
        """An answer's body, or a header's value, without any secret."""
        for secret in self._secrets:
            if secret.value.lower() in host:
                continue  # `${HOST}`: every identifier of the source may hold it
            cleaned = secret.masked(body)
            if cleaned != body:
                self._known.setdefault(host, set()).add(secret.mark)
                body = cleaned
        return body

    def completed(self, hop: Hop) -> Hop:
        """The request with the secrets in the place of their marks, those that its host knows."""
        url = hop.url
        sent = "\n".join((unquote(url), unquote_plus(url), *hop.headers.values(), *(hop.auth or ())))
        known = self._known.setdefault(hop.host, set())
        for secret in self._secrets:
            if secret.value in sent:
                known.add(secret.mark)
            if secret.mark in known:
                mark = secret.mark.decode()
                for written in (mark, quote(mark, safe="")):
                    url = url.replace(written, quote(secret.value, safe=""))
        return replace(hop, url=url)


def _made(secrets: Sequence[str]) -> Iterator[_Secret]:
    for number, value in enumerate(secrets, start=1):
        if stands_out(value):
            patterns = tuple(
                (
                    frozenset(anchor.encode(errors="surrogateescape") for anchor in spelling.anchors),
                    re.compile(spelling.pattern.encode(errors="surrogateescape"), re.IGNORECASE),
                )
                for spelling in spellings(value)
            )
            yield _Secret(value, f"{MASK}{number}{MASK}".encode(), patterns)

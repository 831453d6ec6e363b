"""Mask the secrets that a source repeats in its responses, and restore them in requests to the same host.

A response goes into the spool, its records into the database, and its cursors into both. So each secret in a response
is replaced by a mark that holds only the number of the secret. A source may build a link or a cursor from a secret.
Then the mark is part of the next request, and the secret takes its place again, but only in a request to a host that
knows the secret: a host to which this session sent it, or that repeated it to this session. A source that writes such
a mark into a link of its own learns nothing.

Not here: texts for people (`http.redaction`); user and password, which no link can change
(`http.transport.redirects`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, unquote_plus

from harvest_dagster.http.transport.redirects import RedirectStep
from harvest_dagster.masking import SecretFinder, replace_ranges
from harvest_dagster.texts import MASK

_MIN_LENGTH = 8
# A secret of letters or of digits alone must be longer: data contains words and numbers by chance.
_MAX_WORD_LENGTH = 15
_MAX_ISSUED = 10  # a server may issue a token for each request


def is_distinctive(secret: str) -> bool:
    """Return whether data is unlikely to contain the secret by chance.

    True from 8 characters on; from 16 on if the secret consists of letters or of digits alone.
    """
    return len(secret) >= _MIN_LENGTH and (
        len(secret) > _MAX_WORD_LENGTH or not (secret.isalpha() or secret.isdecimal())
    )


@dataclass(frozen=True)
class _Secret:
    """One secret.

    Attributes:
        value: The value that is sent.
        mark: Replaces the secret in responses.
        finder: Finds the secret in responses.
    """

    value: str
    mark: bytes
    finder: SecretFinder

    def mask(self, body: bytes) -> bytes:
        """Return the body with the mark in place of the secret. Return the same object if it is not found."""
        return replace_ranges(body, self.finder.find(body), self.mark)


class SecretMasker:
    """Masks and restores the secrets of one session.

    Args:
        secrets: The secrets, in an order that does not depend on their values: a mark in the spool must name the same
            secret in every run. Secrets that are not distinctive are ignored.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        self._secrets = sorted(_numbered(secrets), key=lambda secret: -len(secret.value))
        self._issued: list[_Secret] = []  # the newest first
        self._known_marks: dict[str, set[bytes]] = {}  # by host

    def add_issued(self, secret: str) -> None:
        """Mask a token that the source issued. All of them have the number 0, and the newest one is restored."""
        if is_distinctive(secret):
            issued = _Secret(secret, f"{MASK}0{MASK}".encode(), SecretFinder(secret))
            self._issued = [issued, *self._issued[: _MAX_ISSUED - 1]]

    def mask(self, host: str, body: bytes) -> bytes:
        """Return the body of a response, or the value of a header, with all secrets masked."""
        for secret in (*self._issued, *self._secrets):
            if secret.value.lower() in host:
                continue  # `${HOST}` in base_url: every identifier of the source may contain it
            masked = secret.mask(body)
            if masked != body:
                self._known_marks.setdefault(host, set()).add(secret.mark)
                body = masked
        return body

    def restore(self, step: RedirectStep) -> RedirectStep:
        """Return the request with the secrets in place of their marks, if its host knows them."""
        url, content = step.url, step.body
        texts = _json_texts(content)
        sent = "\n".join(
            (unquote(url), unquote_plus(url), *step.headers.values(), *(step.auth or ()), *texts)
        )
        known_marks = self._known_marks.setdefault(step.host, set())
        for secret in (*self._issued, *self._secrets):
            if secret.value in sent:
                known_marks.add(secret.mark)
            if secret.mark in known_marks:
                mark = secret.mark.decode()
                for spelling in (mark, quote(mark, safe="")):
                    url = url.replace(spelling, quote(secret.value, safe=""))
                if texts and content is not None:
                    content = content.replace(secret.mark, json.dumps(secret.value)[1:-1].encode())
        return replace(step, url=url, body=content)


def _json_texts(content: bytes | None) -> list[str]:
    """Return the texts in the JSON content of a request; none if it is not JSON, such as the form for a token."""
    try:
        waiting = [json.loads(content or b"null")]
    except ValueError:
        return []
    texts: list[str] = []
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, (dict, list)):
            waiting += value.values() if isinstance(value, dict) else value
    return texts


def _numbered(secrets: Sequence[str]) -> Iterator[_Secret]:
    for number, value in enumerate(secrets, start=1):
        if is_distinctive(value):
            yield _Secret(value, f"{MASK}{number}{MASK}".encode(), SecretFinder(value))

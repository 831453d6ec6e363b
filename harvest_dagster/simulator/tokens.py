"""Resumption tokens: a listing and a place in it, as text. The server remembers nothing.

They expire, they serve the verb they were given to, and a digest tells those that somebody made up.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from harvest_dagster.simulator.errors import OaiError

_DIGEST = 6


@dataclass(frozen=True)
class Listing:
    """The arguments of a list request, as they came, and where in the list it stands.

    Attributes:
        verb: of OAI-PMH, or `records` for the JSON API.
        from_: the oldest datestamp, inclusive.
        until: the newest datestamp, inclusive.
        set: the setSpec.
        offset: how many records come before this place.
        page: the number of the page that begins here, from 1.
        size: records a page, where the client chose it.
    """

    verb: str
    from_: str | None = None
    until: str | None = None
    set: str | None = None
    offset: int = 0
    page: int = 1
    size: int | None = None

    def following(self, offset: int) -> Listing:
        """The same list at its next page."""
        return replace(self, offset=offset, page=self.page + 1)


def encode(listing: Listing, expires: datetime) -> str:
    """The token that stands for a place in a list until it expires."""
    content = json.dumps({**asdict(listing), "expires": int(expires.timestamp())}).encode()
    return urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def decode(token: str, verb: str, now: datetime) -> Listing:
    """The listing that a token stands for.

    Raises:
        OaiError: badResumptionToken; not one of ours, of another verb, or expired.
    """
    values = _content(token)
    if values is None:
        raise OaiError("badResumptionToken", "This repository gave no such token")
    if values.pop("expires") <= now.timestamp():
        raise OaiError("badResumptionToken", "The token has expired")
    listing = Listing(**values)
    if listing.verb != verb:
        raise OaiError("badResumptionToken", f"The token was given to {listing.verb}")
    return listing


def page_number(token: str) -> int | None:
    """Which page of its list a token leads to, from 1, expired or not; None for a token that is not ours."""
    values = _content(token)
    return None if values is None else values["page"]


def _content(token: str) -> Any:
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    digest, content = decoded[:_DIGEST], decoded[_DIGEST:]
    return json.loads(content) if digest == _digest(content) else None


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()

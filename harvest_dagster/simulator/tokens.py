"""Resumption tokens: a listing and a place in it, as text. The server remembers nothing.

They expire, they serve the verb they were given to, and a digest tells those that somebody made up.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import blake2b

from harvest_dagster.simulator.errors import OaiError

_DIGEST = 6


@dataclass(frozen=True)
class Listing:
    """The arguments of a list request, as they came, and where in the list it stands."""

    verb: str
    from_: str | None = None
    until: str | None = None
    set: str | None = None
    offset: int = 0

    def at(self, offset: int) -> Listing:
        """The same list, further on."""
        return replace(self, offset=offset)


def encode(listing: Listing, expires: datetime) -> str:
    """The token that stands for a place in a list until it expires."""
    content = json.dumps({**asdict(listing), "expires": int(expires.timestamp())}).encode()
    return urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def decode(token: str, verb: str, now: datetime) -> Listing:
    """The listing that a token stands for.

    Raises:
        OaiError: badResumptionToken; not one of ours, of another verb, or expired.
    """
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        decoded = b""
    digest, content = decoded[:_DIGEST], decoded[_DIGEST:]
    if digest != _digest(content):
        raise OaiError("badResumptionToken", "This repository gave no such token")
    values = json.loads(content)
    if values.pop("expires") <= now.timestamp():
        raise OaiError("badResumptionToken", "The token has expired")
    listing = Listing(**values)
    if listing.verb != verb:
        raise OaiError("badResumptionToken", f"The token was given to {listing.verb}")
    return listing


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST).digest()

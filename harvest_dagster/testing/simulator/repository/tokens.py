"""Resumption tokens. A token contains the arguments of a list and a position in it; the server keeps no state.

A token expires, is valid for the verb for which it was issued, and has a digest that detects forged tokens.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import blake2b
from typing import Any

from harvest_dagster.testing.simulator.errors import OaiError

_DIGEST_SIZE = 6


@dataclass(frozen=True)
class ListPosition:
    """The arguments of a list request as received, and a position in the list.

    Attributes:
        verb: the OAI-PMH verb, or `records` for the JSON API.
        from_: the oldest datestamp, inclusive.
        until: the newest datestamp, inclusive.
        set: the setSpec.
        offset: the number of records before this position.
        page: the number of the page that begins here, from 1.
        size: the number of records per page, if the client chose it.
    """

    verb: str
    from_: str | None = None
    until: str | None = None
    set: str | None = None
    offset: int = 0
    page: int = 1
    size: int | None = None

    def next_page(self, offset: int) -> ListPosition:
        """Return the position of the next page of the same list, which begins at this offset."""
        return replace(self, offset=offset, page=self.page + 1)


def encode(position: ListPosition, expires: datetime) -> str:
    """Return the token for a position that is valid until `expires`."""
    content = json.dumps({**asdict(position), "expires": int(expires.timestamp())}).encode()
    return urlsafe_b64encode(_digest(content) + content).decode().rstrip("=")


def decode(token: str, verb: str, now: datetime) -> ListPosition:
    """Return the position that a token contains.

    Raises:
        OaiError: badResumptionToken, if the token is forged, has expired, or was issued for another verb.
    """
    values = _content(token)
    if values is None:
        raise OaiError("badResumptionToken", "This repository did not issue the token")
    if values.pop("expires") <= now.timestamp():
        raise OaiError("badResumptionToken", "The token has expired")
    position = ListPosition(**values)
    if position.verb != verb:
        raise OaiError("badResumptionToken", f"The token was issued for {position.verb}")
    return position


def page_number(token: str) -> int | None:
    """Return the number of the page to which a token leads, from 1, even if it has expired; None if it is forged."""
    values = _content(token)
    return None if values is None else values["page"]


def _content(token: str) -> Any:
    """Return the JSON content of a token; None if the digest does not match."""
    try:
        decoded = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        return None
    digest, content = decoded[:_DIGEST_SIZE], decoded[_DIGEST_SIZE:]
    return json.loads(content) if digest == _digest(content) else None


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=_DIGEST_SIZE).digest()

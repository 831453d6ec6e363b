"""What the spool notes of its pages: the values of the manifest. How they are written is in `spool.attempt`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from harvest_dagster.records import Page, Record, Unreadable
from harvest_dagster.windows import Window

FINGERPRINT = 8  # bytes: of ten million identifiers, two share theirs in one harvest of 370,000


@dataclass(frozen=True)
class Stretch:
    """A part of a window, mostly all of it, that the source was asked for in one go, from the first page on.

    Attributes:
        number: from 0; a window of which something is asked anew has several stretches, a later one the newer.
        window: what was asked for.
    """

    number: int
    window: Window


@dataclass(frozen=True)
class Entry:
    """A page in the manifest.

    Attributes:
        number: its place among all pages of the attempt, from 0.
        stretch: which it belongs to.
        page: what the source said of it; body and identifiers are left empty.
        digest: SHA-256 of the body as it came, hexadecimal.
        size: of the body, in bytes.
        fingerprints: of its identifiers, one after the other.
    """

    number: int
    stretch: Stretch
    page: Page
    digest: str
    size: int
    fingerprints: bytes = b""


@dataclass(frozen=True)
class Taken:
    """What split made of a page."""

    records: list[Record]
    unreadable: list[Unreadable]


@dataclass(frozen=True)
class End:
    """All of the window was asked for, or its limit was reached.

    Attributes:
        pages: of all stretches.
        records: on them; one that came several times counts as often.
        completeness: `complete`, `unverified`, or `short` where the source had announced more than came.
        expected: the source's own total of the window, None where it gives none.
        identifiers: how many different ones came, None where the harvester gives none.
        stretches: how many there were.
        recoveries: how often a list broke and was gone on with in another way.
    """

    pages: int
    records: int
    completeness: str
    expected: int | None = None
    identifiers: int | None = None
    stretches: int = 1
    recoveries: int = 0


def fingerprints(identifiers: Iterable[str]) -> bytes:
    """Eight bytes for each identifier."""
    return b"".join(
        blake2b(identifier.encode("utf-8", "surrogatepass"), digest_size=FINGERPRINT).digest()
        for identifier in identifiers
    )

"""The dates of entries. Feeds write them in many forms; feedparser knows those that are not ISO 8601.

feedparser gets a small document with nothing but dates, as bytes. It never gets a URL or a name, because it would fetch
or open that itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from io import BytesIO
from time import struct_time
from xml.sax.saxutils import escape

import feedparser

from harvest_dagster.harvesters.formats.dates import lenient_instant

_LONGEST_DATE = 100  # characters


def parse_dates(texts: Sequence[str]) -> list[datetime | None]:
    """Return each date as an instant in UTC, or None for a text that is no date.

    A date without a time is midnight, and a date without a time zone is in UTC.
    """
    found = [lenient_instant(text) for text in texts]
    others = [index for index, instant in enumerate(found) if instant is None and _may_be_date(texts[index])]
    for index, instant in zip(others, _parse_other_dates([texts[index] for index in others]), strict=True):
        found[index] = instant
    return found


def _may_be_date(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_DATE and any(character.isdigit() for character in text)


def _parse_other_dates(texts: Sequence[str]) -> list[datetime | None]:
    """Return the dates that feedparser reads: those of RFC 822, and its many variants."""
    if not texts:
        return []
    items = "".join(f"<item><pubDate>{escape(text)}</pubDate></item>" for text in texts)
    document = f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()
    parsed = feedparser.parse(BytesIO(document), resolve_relative_uris=False, sanitize_html=False)
    return [_instant(entry.get("published_parsed")) for entry in parsed.entries]


def _instant(parsed: struct_time | None) -> datetime | None:
    try:
        return None if parsed is None else datetime(*parsed[:6], tzinfo=timezone.utc)
    except ValueError:  # a leap second
        return None

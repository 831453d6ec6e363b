"""Short digests, so that the cursor of a sensor can name a thousand sources.

Dagster copies the cursor into the row of every tick: 30 kB a minute would be 40 MB a day. A digest takes five bytes.
"""

from base64 import b85encode
from collections.abc import Iterable
from hashlib import blake2b

# Four bytes are five characters in base 85. With a thousand digests, a text that was not added is found by mistake
# once in four million times.
_BYTES, _LENGTH = 4, 5


def digest(text: str) -> str:
    """Return five printable characters that stand for a text."""
    return b85encode(blake2b(text.encode(), digest_size=_BYTES).digest()).decode()


def join_digests(digests: Iterable[str]) -> str:
    """Return digests as one text, for a cursor. JSON contains it without escapes."""
    return "".join(sorted(digests))


def split_digests(cursor: str | None) -> frozenset[str]:
    """Return the digests of a cursor. A cursor that somebody edited yields digests that stand for no text."""
    text = cursor or ""
    return frozenset(text[start : start + _LENGTH] for start in range(0, len(text), _LENGTH))

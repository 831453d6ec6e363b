"""Numbers of bytes as people write them, `256MB` or `64MiB`: text to int and back."""

from __future__ import annotations

import re
from decimal import Decimal

UNITS = {
    "GiB": 2**30,
    "GB": 10**9,
    "MiB": 2**20,
    "MB": 10**6,
    "KiB": 2**10,
    "kB": 10**3,
    "B": 1,
}
PATTERN = r"^[0-9]{1,15}(\.[0-9]{1,15})?(GiB|GB|MiB|MB|KiB|kB|B)$"
ALLOWED = (
    "a number and one of the units B, kB, MB, GB, KiB, MiB, GiB, such as 64MiB or 256MB; or a number of bytes"
)


def parse_size(value: object) -> int:
    """Return the number of bytes of `64MiB`, `1.5GB`, or of a whole number.

    Raises:
        ValueError: it is none of these, less than one byte, or no whole number of bytes. The message says what is
            allowed.
    """
    size = _parse(value)
    if size < 1 or size != int(size):
        message = f"a size must be a whole number of bytes, at least 1, not {value!r}"
        raise ValueError(message)
    return int(size)


def format_size(size: int) -> str:
    """Return the shortest exact text, in the largest unit that divides it: `64MiB`, `256MB`, `1B`."""
    return next(f"{size // factor}{unit}" for unit, factor in UNITS.items() if not size % factor)


def _parse(value: object) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and (match := re.fullmatch(PATTERN, value)):
        unit = match.group(2)
        return Decimal(value.removesuffix(unit)) * UNITS[unit]
    message = f"{value!r} is not a size; write {ALLOWED}"
    raise ValueError(message)

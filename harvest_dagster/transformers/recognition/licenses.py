"""Recognize the licenses of Creative Commons, and write their address in one form."""

from __future__ import annotations

import re
from functools import lru_cache

# A license or dedication, its version and its jurisdiction. The rest (deed.en, legalcode) selects a page about it.
_CREATIVE_COMMONS = re.compile(
    r"https?://(?:www\.)?creativecommons\.org/"
    r"((?:licenses|publicdomain)/[a-z+-]+/[0-9]\.[0-9](?:/(?:[a-z]{2}|igo|scotland)(?![a-z]))?)",
    re.IGNORECASE | re.ASCII,
)
# The identifiers of SPDX: https://spdx.org/licenses/. Also written with blanks: CC BY-NC 4.0.
_SPDX = re.compile(r"cc[ -](by(?:-nc)?(?:-nd|-sa)?|by(?: nc)?(?: nd| sa)?)[ -]([1-4]\.[0-9])", re.IGNORECASE)
_ZERO = re.compile(r"cc0[ -]1\.0", re.IGNORECASE)
_LONGEST_CACHED = 200


def license_address(text: str) -> str | None:
    """Return the address of the Creative Commons license that a text names; None if it names none, or several.

    >>> license_address("See https://creativecommons.org/licenses/BY/4.0/legalcode"), license_address("CC BY-NC 4.0")
    ('https://creativecommons.org/licenses/by/4.0/', 'https://creativecommons.org/licenses/by-nc/4.0/')
    """
    return _find_cached(text) if len(text) <= _LONGEST_CACHED else _find(text)


def _find(text: str) -> str | None:
    named = {match.lower() for match in _CREATIVE_COMMONS.findall(text)}
    if named:
        return f"https://creativecommons.org/{named.pop()}/" if len(named) == 1 else None
    if match := _SPDX.fullmatch(text):
        return f"https://creativecommons.org/licenses/{match[1].lower().replace(' ', '-')}/{match[2]}/"
    return "https://creativecommons.org/publicdomain/zero/1.0/" if _ZERO.fullmatch(text) else None


# The records of a source name few licenses.
_find_cached = lru_cache(maxsize=1024)(_find)

"""Decode the leader and the fixed fields of MARC (https://www.loc.gov/marc/bibliographic/bdleader.html, bd008.html).

The fields themselves stay in `unmapped`, because the schema has no place for most of their codes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harvest_dagster.transformers.document import Date

_LENGTH = 40
_FILL = "|#^\\"
_TYPES = {
    "a": "Language material",
    "c": "Notated music",
    "d": "Manuscript notated music",
    "e": "Cartographic material",
    "f": "Manuscript cartographic material",
    "g": "Projected medium",
    "i": "Nonmusical sound recording",
    "j": "Musical sound recording",
    "k": "Two-dimensional nonprojectable graphic",
    "m": "Computer file",
    "o": "Kit",
    "p": "Mixed materials",
    "r": "Three-dimensional artifact or naturally occurring object",
    "t": "Manuscript language material",
}
_LEVELS = {
    "a": "Monographic component part",
    "b": "Serial component part",
    "c": "Collection",
    "d": "Subunit",
    "i": "Integrating resource",
    "m": "Monograph/Item",
    "s": "Serial",
}
_KINDS = {
    "am": "Book",
    "as": "Journal",
    "ab": "JournalArticle",
    "g": "Audiovisual",
    "i": "Sound",
    "j": "Sound",
    "k": "Image",
    "p": "Collection",
    "r": "PhysicalObject",
    "t": "Text",
    "a": "Text",
}
_COMPUTER_FILES = {"a": "Dataset", "b": "Software", "c": "Image", "d": "Text", "h": "Sound"}
_FORMS = {
    "a": "Microfilm",
    "b": "Microfiche",
    "c": "Microopaque",
    "d": "Large print",
    "f": "Braille",
    "o": "Online",
    "q": "Direct electronic",
    "r": "Regular print reproduction",
    "s": "Electronic",
}
_FORM_PLACES = {"e": 29, "f": 29, "g": 29, "k": 29, "o": 29, "r": 29}
_AUTHORITIES = {
    "z": "an authority record",
    "w": "a classification record",
    "q": "a community information record",
}
_HOLDINGS = frozenset("uvxy")
_YEAR = re.compile(r"[0-9]{4}", re.ASCII)
_PARTLY_KNOWN = re.compile(r"[0-9]{2}(?:uu|[0-9]u)", re.ASCII)


@dataclass(frozen=True)
class Decoded:
    """What the leader and the field 008 say.

    Attributes:
        created: the day on which the record was made, in EDTF.
        place: the code of the country of publication.
        language: the code of the language.
        form: the form of the item: `Online`, `Braille`.
        dates: of the resource.
    """

    created: str | None = None
    place: str | None = None
    language: str | None = None
    form: str | None = None
    dates: tuple[Date, ...] = ()


def types_of(leader: str) -> tuple[str, ...]:
    """Return the type of record and the bibliographic level of a leader (positions 6 and 7) in words."""
    return tuple(filter(None, (_TYPES.get(leader[6]), _LEVELS.get(leader[7]))))


def kind_of(leader: str, fixed: str) -> str | None:
    """Return the general type of DataCite for a leader and a field 008."""
    kind, level = leader[6], leader[7]
    if kind == "m":
        return _COMPUTER_FILES.get(fixed[26]) if len(fixed) == _LENGTH else None
    return "Collection" if level == "c" else _KINDS.get(kind + level) or _KINDS.get(kind)


def not_bibliographic(leader: str) -> str | None:
    """Return what a record is, if it is not bibliographic."""
    return "a holdings record" if leader[6] in _HOLDINGS else _AUTHORITIES.get(leader[6])


def decode(fixed: str, leader: str) -> Decoded:
    """Return what a field 008 says; nothing if it does not have 40 characters."""
    if len(fixed) != _LENGTH:
        return Decoded()
    language, place = fixed[35:38], fixed[15:18].rstrip()
    return Decoded(
        created=_entered(fixed[:6]),
        place=place if place.isalpha() and place not in ("xx", "vp") else None,
        language=language if language.isalpha() and language not in ("und", "zxx", "mul") else None,
        form=_FORMS.get(fixed[_FORM_PLACES.get(leader[6], 23)]),
        dates=tuple(_dates(fixed[6], fixed[7:11], fixed[11:15])),
    )


def _entered(digits: str) -> str | None:
    """Return the day of `yymmdd`. MARC began in 1968."""
    if not (digits.isascii() and digits.isdigit()):
        return None
    century = "19" if digits[:2] >= "66" else "20"
    month, day = digits[2:4], digits[4:]
    valid = "01" <= month <= "12" and "01" <= day <= "31"
    return f"{century}{digits[:2]}-{month}-{day}" if valid else None


def _dates(kind: str, first: str, second: str) -> list[Date]:
    """Return the dates of positions 6 to 14."""
    written = f"{kind}{first}{second}".rstrip(" ")
    start, end = _year(first), _year(second)
    if kind in "se" and start:
        return [_dated(start, "Issued", written if kind == "e" else first)]
    if kind == "e" or not (start or end):
        return []
    if kind in "tpr":
        roles = {"t": "Copyrighted", "p": "Created", "r": None}
        dates = [_dated(start, "Issued", first)] if start else []
        other = Date(end, None if end == second else second, roles[kind], "original" if kind == "r" else None)
        return [*dates, other] if end else dates
    if kind in "cdumik":
        return _ranges(kind, start, "" if second in ("9999", "uuuu") else end, written)
    # Of a questionable date only the limits are known: EDTF level 1 cannot say that it is one year of them.
    return [Date(text=written, role="Issued")] if kind == "q" else []


def _ranges(kind: str, start: str | None, end: str | None, written: str) -> list[Date]:
    """Return the range of a serial (c, d, u), of a resource in several parts (m) or of a collection (i, k)."""
    if not start or end is None:
        return []
    ended = end if end or kind == "u" else ".."
    value = start if start == ended else f"{start}/{ended}"
    return [Date(value, written, "Created" if kind in "ik" else "Issued")]


def _dated(value: str, role: str, written: str) -> Date:
    return Date(value, None if value == written else written, role)


def _year(text: str) -> str | None:
    """Return the year in EDTF, `199X` for `199u`; None if it is unknown."""
    if _YEAR.fullmatch(text):
        return text if text != "9999" else None
    return text.replace("u", "X") if _PARTLY_KNOWN.fullmatch(text) else None

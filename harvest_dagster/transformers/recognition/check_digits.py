"""Validate the check digits of identifiers. Each function takes the characters without separators, in upper case."""

from __future__ import annotations

# Crockford's alphabet of 32 characters, without i, l, o and u: https://www.crockford.com/base32.html
_BASE_32 = {character: value for value, character in enumerate("0123456789abcdefghjkmnpqrstvwxyz")}
_MODULO_11 = "0123456789X"

# The blocks of ISNI that belong to ORCID, without the check digit:
# https://support.orcid.org/hc/en-us/articles/360006897674-Structure-of-the-ORCID-Identifier
_ORCID_BLOCKS = ((15_000_000, 35_000_000), (900_000_000_000, 900_100_000_000))


def is_valid_issn(digits: str) -> bool:
    """Return whether an ISSN without its hyphen has a valid check digit (ISO 3297, annex A: modulo 11)."""
    return digits[7] == _MODULO_11[-_weighted(digits[:7]) % 11]


def to_isbn_13(digits: str) -> str | None:
    """Return the 13 digits of an ISBN of 10 or 13 digits (ISO 2108, annexes A and C).

    None if the check digit is wrong, or if the prefix is not that of an ISBN.
    """
    if len(digits) == 10:  # noqa: PLR2004 - the length of an ISBN before 2007
        is_valid = digits[9] == _MODULO_11[-_weighted(digits[:9]) % 11]
        return _with_ean_digit("978" + digits[:9]) if is_valid else None
    # 979-0 is the prefix of printed music, an ISMN.
    is_isbn = digits.startswith(("978", "979")) and not digits.startswith("9790")
    return digits if is_isbn and digits == _with_ean_digit(digits[:12]) else None


def is_valid_isni(digits: str) -> bool:
    """Return whether 16 digits have a valid check digit (ISO 27729: ISO/IEC 7064, modulo 11-2)."""
    total = 0
    for digit in digits[:15]:
        total = (total + int(digit)) * 2
    return digits[15] == _MODULO_11[(12 - total % 11) % 11]


def is_in_orcid_block(digits: str) -> bool:
    """Return whether the 16 digits of an ISNI are from a block that belongs to ORCID."""
    number = int(digits[:15])
    return any(first <= number <= last for first, last in _ORCID_BLOCKS)


def is_valid_ror(text: str) -> bool:
    """Return whether the nine characters of a ROR ID, in lower case, end with its checksum.

    It is that of ISO/IEC 7064, modulo 97-10, of a number of 32 digits: https://ror.readme.io/docs/identifier.
    """
    number = 0
    for character in text[:7]:
        number = number * 32 + _BASE_32[character]
    return int(text[7:]) == 98 - number * 100 % 97


def is_valid_gnd(text: str) -> bool:
    """Return whether a number of the Integrated Authority File (GND) has a valid check digit.

    Numbers of corporate bodies and subjects have a hyphen, and the sum itself as the check digit. The others have the
    check digit of a PICA production number: https://www.wikidata.org/wiki/Property:P227.
    """
    digits, hyphen, check = text[:-1].rstrip("-"), "-" in text, text[-1]
    total = _weighted(digits)
    return check == _MODULO_11[(total if hyphen else -total) % 11]


def _weighted(digits: str) -> int:
    """Return the weighted sum of the digits: the last one counts twice, the one before it three times, and so on."""
    return sum(int(digit) * weight for weight, digit in enumerate(reversed(digits), 2))


def _with_ean_digit(twelve: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return f"{twelve}{-total % 10}"

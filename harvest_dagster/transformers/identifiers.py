"""Identifiers as people write them, in the one form that their scheme asks for.

A text is recognised as a whole or not at all: a citation that ends in a DOI may name the volume it appeared
in. What is bare is recognised only where its form leaves no doubt (a DOI, a PMC number, an ISBN or ISSN with
hyphens and a right check digit); plain numbers and bare handles need their label. What is not recognised is
`other`.

Where a form comes from stands at its rule. The rules are tried in their order: the special ones stand before
those that any URL would satisfy.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from harvest_dagster.transformers.document import Identifier, Scheme

# DOI Handbook, 3.4 and 3.5: "10.", a registrant's code, a slash, a suffix; ASCII case does not count.
_DOI = r"10\.[0-9]{4,9}(?:\.[0-9]+)*/\S*[^\s.,;]"
# https://info.arxiv.org/help/arxiv_identifier.html: since April 2007, and before.
_ARXIV = r"(?:[0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})(?:v[0-9]+)?"
# RFC 3651, section 3: a naming authority, in use a number with dots, a slash, any local name.
# 123456789 is what DSpace has before anybody registers a prefix: it names nothing outside its repository.
_HANDLE = r"(?!123456789/)[0-9]+(?:\.[0-9A-Za-z-]+)*/\S+"
_ISSN = r"[0-9]{4}-?[0-9]{3}[0-9Xx]"
_ISBN = r"(?:[0-9][ -]?){9,12}[0-9Xx]"

# Full stops and commas after it are the sentence's.
_END = r"[.,;]*"
_URL = re.compile(r"(?:https?|ftp)://[^\s/]\S*", re.IGNORECASE)
_NCBI = r"https?://(?:www\.)?ncbi\.nlm\.nih\.gov"


def identify(text: str) -> Identifier:
    """The identifier that a text is; `other` where it is none of those known.

    >>> identify("https://dx.doi.org/10.1000/ABC"), identify("Phys. Rev. 47")
    (Identifier(scheme='doi', value='10.1000/abc'), Identifier(scheme='other', value='Phys. Rev. 47'))
    """
    rules = _WEB if text[:4].lower() in ("http", "ftp:") else _PLAIN
    for scheme, pattern, read in rules:
        if (match := pattern.fullmatch(text)) and (value := read(match)):
            return Identifier(scheme, value)
    return Identifier("other", text)


def web_address(text: str) -> str | None:
    """The text, if it is a URL; without the second escaping that bepress' Digital Commons gives its `&`."""
    return text.replace("&amp;", "&") if _URL.fullmatch(text) else None


def issn_is_right(digits: str) -> bool:
    """Whether an ISSN without hyphen has the right check digit (ISO 3297, annex A: modulo 11)."""
    total = sum(int(digit) * weight for digit, weight in zip(digits[:7], range(8, 1, -1), strict=True))
    return digits[7] == "0123456789X"[-total % 11]


def isbn_13(digits: str) -> str | None:
    """The ISBN in 13 digits (ISO 2108, annexes A and C) from 10 or 13; None for a wrong check digit."""
    if len(digits) == 10:  # noqa: PLR2004  an ISBN of before 2007
        weighted = sum(
            (10 if digit == "X" else int(digit)) * weight
            for digit, weight in zip(digits, range(10, 0, -1), strict=True)
        )
        return None if weighted % 11 else _with_check_digit("978" + digits[:9])
    # 979-0 is printed music: an ISMN.
    bookland = digits.startswith(("978", "979")) and not digits.startswith("9790")
    return digits if bookland and digits == _with_check_digit(digits[:12]) else None


def _with_check_digit(twelve: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return f"{twelve}{-total % 10}"


def _as_it_is(match: re.Match[str]) -> str:
    return match[1]


def _doi(match: re.Match[str]) -> str:
    return re.sub("[A-Z]+", lambda letters: letters[0].lower(), match[1])


def _doi_of_url(match: re.Match[str]) -> str | None:
    inner = re.fullmatch(f"({_DOI}){_END}", _unquoted(match[1]))
    return _doi(inner) if inner else None


def _handle_of_url(match: re.Match[str]) -> str:
    return _unquoted(match[1])


def _unquoted(text: str) -> str:
    """With its percent-encoding undone; as it is where that would make no text (`%00`, `%E9`)."""
    decoded = unquote(text)
    return decoded if decoded.isprintable() and "\N{REPLACEMENT CHARACTER}" not in decoded else text


def _issn(match: re.Match[str]) -> str | None:
    digits = match[1].replace("-", "").upper()
    return f"{digits[:4]}-{digits[4:]}" if issn_is_right(digits) else None


def _bare_issn(match: re.Match[str]) -> str | None:
    """One in eleven ranges of years, such as 1903-1914, would pass for an ISSN."""
    first, second = match[1].split("-")
    years = "1000" <= first <= second <= "2100"
    return None if years else _issn(match)


def _isbn(match: re.Match[str]) -> str | None:
    digits = re.sub("[ -]", "", match[1]).upper()
    return isbn_13(digits) if len(digits) in (10, 13) else None


def _bare_isbn(match: re.Match[str]) -> str | None:
    """Ten digits in a row may be any number; with three hyphens or after 978 they are an ISBN."""
    digits = re.sub("[ -]", "", match[1])
    return _isbn(match) if len(digits) == 13 or match[1].count("-") == 3 else None  # noqa: PLR2004


def _pmcid(match: re.Match[str]) -> str:
    return f"PMC{match[1]}"


def _url(match: re.Match[str]) -> str | None:
    return web_address(match[0])


Rule = tuple[Scheme, re.Pattern[str], Callable[[re.Match[str]], str | None]]


def _rules(*rules: tuple[Scheme, str, Callable[[re.Match[str]], str | None]]) -> tuple[Rule, ...]:
    return tuple(
        (scheme, re.compile(pattern, re.IGNORECASE | re.ASCII), read) for scheme, pattern, read in rules
    )


_WEB = _rules(
    ("doi", r"https?://(?:dx\.|www\.)?doi\.org/(?:doi:)?(10\.\S+)", _doi_of_url),
    # Every DOI is a handle, too, and is better known as a DOI.
    ("doi", r"https?://hdl\.handle\.net/(10\.[0-9]{4,9}/\S+)", _doi_of_url),
    ("handle", rf"https?://hdl\.handle\.net/(?:hdl:)?({_HANDLE})", _handle_of_url),
    ("arxiv", rf"https?://(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf)/({_ARXIV})(?:\.pdf)?", _as_it_is),
    ("pmid", rf"{_NCBI}/pubmed/([0-9]{{1,9}})/?", _as_it_is),
    ("pmid", r"https?://pubmed\.ncbi\.nlm\.nih\.gov/([0-9]{1,9})/?", _as_it_is),
    ("pmcid", rf"{_NCBI}/pmc/articles/PMC([0-9]+)/?", _pmcid),
    ("pmcid", r"https?://pmc\.ncbi\.nlm\.nih\.gov/articles/PMC([0-9]+)/?", _pmcid),
    ("url", _URL.pattern, _url),
)

_PLAIN = _rules(
    ("doi", rf"(?:doi[: ] ?|info:doi/|urn:doi:)?({_DOI}){_END}", _doi),
    ("doi", r"(?:doi: ?)https?://(?:dx\.)?doi\.org/(10\.\S+)", _doi_of_url),
    ("arxiv", rf"(?:arxiv: ?|info:arxiv/|oai:arxiv\.org:)({_ARXIV})(?: \[[\w.-]+\])?", _as_it_is),
    ("pmid", r"(?:pmid[: ] ?|info:pmid/)([0-9]{1,9})", _as_it_is),
    # PubMed Central names its OAI records by the bare number: https://www.ncbi.nlm.nih.gov/pmc/tools/oai/
    ("pmcid", r"(?:(?:pmcid[: ] ?)?PMC|oai:pubmedcentral\.nih\.gov:)([0-9]{4,})", _pmcid),
    ("handle", rf"(?:hdl: ?|handle: ?|info:hdl/)({_HANDLE})", _as_it_is),
    # RFC 3044 for urn:issn, RFC 3187 for urn:isbn.
    ("issn", rf"(?:urn:issn:|[ep]?-?issn(?:-l)?[: ] ?)({_ISSN})", _issn),
    ("issn", r"([0-9]{4}-[0-9]{3}[0-9X])", _bare_issn),
    ("isbn", rf"(?:urn:isbn:|isbn(?:-?1[03])?[: ] ?)({_ISBN})", _isbn),
    ("isbn", rf"({_ISBN})", _bare_isbn),
    # RFC 8141, section 2; German Medical Science puts a second urn: before it.
    ("urn", r"(?:urn:)?(urn:(?!urn:)[a-z0-9][a-z0-9-]{1,31}:\S+)", _as_it_is),
    # http://www.openarchives.org/OAI/2.0/guidelines-oai-identifier.htm
    ("oai", r"(oai:[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+:\S+)", _as_it_is),
)

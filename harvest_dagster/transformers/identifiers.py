"""Recognize identifiers as people write them, and return each in the normal form of its scheme.

The whole text must be the identifier: the DOI at the end of a citation may be that of the volume. An identifier
without a label is recognized only if its form is unambiguous (a DOI, a PMC number, an ISBN or ISSN with hyphens and a
valid check digit). Plain numbers and handles need a label or a resolver. Any other text has the scheme `other`.

Each rule names the specification of its form. The rules are tried in order; specific rules come before the rule that
matches any URL. Why no library does this: docs/decisions/0023.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from harvest_dagster.transformers.document import Identifier, Scheme

# DOI Handbook, 3.4 and 3.5: "10.", the registrant's code, a slash, a suffix. The case of ASCII letters is ignored.
_DOI = r"10\.[0-9]{4,9}(?:\.[0-9]+)*/\S*[^\s.,;]"
# https://info.arxiv.org/help/arxiv_identifier.html: since April 2007, and before.
_ARXIV = r"(?:[0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})(?:v[0-9]+)?"
# RFC 3651, section 3: a naming authority (in practice, numbers with dots), a slash, any local name.
# DSpace uses the prefix 123456789 until a prefix is registered: such a handle is not unique.
_HANDLE = r"(?!123456789/)[0-9]+(?:\.[0-9A-Za-z-]+)*/\S+"
_ISSN = r"[0-9]{4}-?[0-9]{3}[0-9Xx]"
_ISBN = r"(?:[0-9][ -]?){9,12}[0-9Xx]"

# What people write before an identifier. A program that adds one to a text that already has one doubles it.
_LABEL = (
    r"(?:https?(?:://|%3A%2F%2F)(?:(?:dx\.|www\.)?doi\.org|hdl\.handle\.net|(?:[a-z]+\.)?arxiv\.org(?:/|%2F)(?:abs|pdf))"
    r"(?:/|%2F)|(?:doi|hdl|handle|arxiv|pmid|pmcid|[ep]?-?issn(?:-l)?|isbn(?:-?1[03])?)(?:: ?| )"
    r"|info:(?:doi|hdl|arxiv|pmid)/|urn:(?:doi:|issn:|isbn:)?)"
)
_DOUBLED = re.compile(rf"(?:{_LABEL})+(?={_LABEL})|(?:https?://)+(?=https?://)", re.IGNORECASE | re.ASCII)
_LABELS = re.compile(rf"(?:{_LABEL})*", re.IGNORECASE | re.ASCII)

# Full stops and commas at the end belong to the sentence, not to the identifier.
_END = r"[.,;]*"
_URL = re.compile(r"(?:https?|ftp)://[^\s/]\S*", re.IGNORECASE)
_NCBI = r"https?://(?:www\.)?ncbi\.nlm\.nih\.gov"


def identify(text: str) -> Identifier:
    """Return the identifier that a text is; with the scheme `other` if it is of no known scheme.

    >>> found = identify("https://dx.doi.org/10.1000/ABC"), identify("Phys. Rev. 47")
    >>> [(one.scheme, one.value) for one in found]
    [('doi', '10.1000/abc'), ('other', 'Phys. Rev. 47')]
    """
    single = _without_doubled_label(text)
    found = _recognize(single)
    if found is None and single != text:
        found = _recognize(text)
    return found or Identifier("other", text)


def _recognize(text: str) -> Identifier | None:
    rules = _WEB if text[:4].lower() in ("http", "ftp:") else _PLAIN
    for scheme, pattern, read in rules:
        if (match := pattern.fullmatch(text)) and (value := read(match)):
            return Identifier(scheme, value)
    return None


def _without_doubled_label(text: str) -> str:
    """Return the text with only the last of the labels and resolvers that follow each other.

    OJS has written https://doi.org/https://doi.org/10.1000/abc (pkp/pkp-lib#2961).
    """
    match = _DOUBLED.match(text)
    rest = text[match.end() :] if match else text
    return _unquoted(rest) if match and rest[:8].lower().startswith(("http%3a", "https%3a")) else rest


def web_address(text: str) -> str | None:
    """Return the URL if the text is one, else None.

    An `&amp;` becomes `&`: Digital Commons (bepress) escapes the `&` of its URLs twice. Of two resolvers, only the
    last one is kept: an address with both leads nowhere.
    """
    if not _URL.fullmatch(text):
        return None
    address = _without_doubled_label(text)
    return (address if _URL.fullmatch(address) else text).replace("&amp;", "&")


def is_valid_issn(digits: str) -> bool:
    """Return whether an ISSN without its hyphen has a valid check digit (ISO 3297, annex A: modulo 11)."""
    total = sum(int(digit) * weight for digit, weight in zip(digits[:7], range(8, 1, -1), strict=True))
    return digits[7] == "0123456789X"[-total % 11]


def to_isbn_13(digits: str) -> str | None:
    """Return the 13 digits of an ISBN of 10 or 13 digits (ISO 2108, annexes A and C).

    None if the check digit is wrong, or if the prefix is not that of an ISBN.
    """
    if len(digits) == 10:  # noqa: PLR2004 - the length of an ISBN before 2007
        weighted = sum(
            (10 if digit == "X" else int(digit)) * weight
            for digit, weight in zip(digits, range(10, 0, -1), strict=True)
        )
        return None if weighted % 11 else _with_check_digit("978" + digits[:9])
    # 979-0 is the prefix of printed music, an ISMN.
    is_isbn = digits.startswith(("978", "979")) and not digits.startswith("9790")
    return digits if is_isbn and digits == _with_check_digit(digits[:12]) else None


def _with_check_digit(twelve: str) -> str:
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(twelve))
    return f"{twelve}{-total % 10}"


def _unchanged(match: re.Match[str]) -> str:
    return match[1]


def _doi(match: re.Match[str]) -> str | None:
    doi = re.sub("[A-Z]+", lambda letters: letters[0].lower(), match[1])
    return _with_one_prefix(doi, needs_label=False)


def _with_one_prefix(text: str, *, needs_label: bool) -> str | None:
    """Return an identifier with its prefix only once; None if nothing, or a web address, follows the prefix.

    `10.1000/10.1000/abc` may be a DOI, because a suffix may be any text. Far more often, a program has put the prefix
    before a whole DOI. Handles are shorter and more often repeat a number, so they need a label between the two:
    `10161/http://hdl.handle.net/10161/10834`.
    """
    prefix = text[: text.index("/") + 1]
    end = len(prefix)
    # A loop, because one expression with nested repetition and a back reference takes quadratic time.
    while (match := _LABELS.match(text, end)) and text.startswith(prefix, match.end()):
        if needs_label and match.end() == end:
            break
        end = match.end() + len(prefix)
    suffix = text[end:]
    return prefix + suffix if suffix and not _URL.fullmatch(suffix) else None


def _doi_of_url(match: re.Match[str]) -> str | None:
    inner = re.fullmatch(f"({_DOI}){_END}", _unquoted(match[1]))
    return _doi(inner) if inner else None


def _handle(match: re.Match[str]) -> str | None:
    return _with_one_prefix(match[1], needs_label=True)


def _handle_of_url(match: re.Match[str]) -> str | None:
    return _with_one_prefix(_unquoted(match[1]), needs_label=True)


def _unquoted(text: str) -> str:
    """Return the text without percent-encoding; unchanged if the result is not printable text (`%00`, `%E9`)."""
    decoded = unquote(text)
    return decoded if decoded.isprintable() and "\N{REPLACEMENT CHARACTER}" not in decoded else text


def _issn(match: re.Match[str]) -> str | None:
    digits = match[1].replace("-", "").upper()
    return f"{digits[:4]}-{digits[4:]}" if is_valid_issn(digits) else None


def _bare_issn(match: re.Match[str]) -> str | None:
    """Return the ISSN unless the text may be a range of years.

    One range in eleven, such as 1903-1914, has a valid check digit.
    """
    first, second = match[1].split("-")
    years = "1000" <= first <= second <= "2100"
    return None if years else _issn(match)


def _isbn(match: re.Match[str]) -> str | None:
    digits = re.sub("[ -]", "", match[1]).upper()
    return to_isbn_13(digits) if len(digits) in (10, 13) else None


def _bare_isbn(match: re.Match[str]) -> str | None:
    """Return the ISBN if it has 13 digits or three hyphens; ten digits without hyphens may be any number."""
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
    # Every DOI is also a handle.
    ("doi", r"https?://hdl\.handle\.net/(10\.[0-9]{4,9}/\S+)", _doi_of_url),
    ("handle", rf"https?://hdl\.handle\.net/(?:hdl:)?({_HANDLE})", _handle_of_url),
    ("arxiv", rf"https?://(?:[a-z]+\.)?arxiv\.org/(?:abs|pdf)/({_ARXIV})(?:\.pdf)?", _unchanged),
    ("pmid", rf"{_NCBI}/pubmed/([0-9]{{1,9}})/?", _unchanged),
    ("pmid", r"https?://pubmed\.ncbi\.nlm\.nih\.gov/([0-9]{1,9})/?", _unchanged),
    ("pmcid", rf"{_NCBI}/pmc/articles/PMC([0-9]+)/?", _pmcid),
    ("pmcid", r"https?://pmc\.ncbi\.nlm\.nih\.gov/articles/PMC([0-9]+)/?", _pmcid),
    ("url", _URL.pattern, _url),
)

_PLAIN = _rules(
    ("doi", rf"(?:doi[: ] ?|info:doi/|urn:doi:)?({_DOI}){_END}", _doi),
    ("doi", r"(?:doi: ?)https?://(?:dx\.)?doi\.org/(10\.\S+)", _doi_of_url),
    ("arxiv", rf"(?:arxiv: ?|info:arxiv/|oai:arxiv\.org:)({_ARXIV})(?: \[[\w.-]+\])?", _unchanged),
    ("pmid", r"(?:pmid[: ] ?|info:pmid/)([0-9]{1,9})", _unchanged),
    # PubMed Central uses the number alone in its OAI identifiers: https://www.ncbi.nlm.nih.gov/pmc/tools/oai/
    ("pmcid", r"(?:(?:pmcid[: ] ?)?PMC|oai:pubmedcentral\.nih\.gov:)([0-9]{4,})", _pmcid),
    ("handle", rf"(?:hdl: ?|handle: ?|info:hdl/)({_HANDLE})", _handle),
    # RFC 3044 for urn:issn, RFC 3187 for urn:isbn.
    ("issn", rf"(?:urn:issn:|[ep]?-?issn(?:-l)?[: ] ?)({_ISSN})", _issn),
    ("issn", r"([0-9]{4}-[0-9]{3}[0-9X])", _bare_issn),
    ("isbn", rf"(?:urn:isbn:|isbn(?:-?1[03])?[: ] ?)({_ISBN})", _isbn),
    ("isbn", rf"({_ISBN})", _bare_isbn),
    # RFC 8141, section 2. German Medical Science writes `urn:` twice.
    ("urn", r"(?:urn:)?(urn:(?!urn:)[a-z0-9][a-z0-9-]{1,31}:\S+)", _unchanged),
    # http://www.openarchives.org/OAI/2.0/guidelines-oai-identifier.htm
    ("oai", r"(oai:[a-z][a-z0-9-]*(?:\.[a-z][a-z0-9-]*)+:\S+)", _unchanged),
)

"""The form of each identifier scheme, and how to read its normal form from a text.

Here: the patterns, each with the specification of its form, and one function for each scheme. It returns None if the
text cannot be an identifier of the scheme (a wrong check digit). Not here: what stands before an identifier in each
of its forms (`transformers.recognition.identifier_rules`).
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from harvest_dagster.transformers.recognition import check_digits

# DOI Handbook, 3.4 and 3.5: "10.", the registrant's code, a slash, a suffix. The case of ASCII letters is ignored.
DOI = r"10\.[0-9]{4,9}(?:\.[0-9]+)*/\S*[^\s.,;]"
# https://info.arxiv.org/help/arxiv_identifier.html: since April 2007, and before.
ARXIV = r"(?:[0-9]{4}\.[0-9]{4,5}|[a-z-]+(?:\.[A-Z]{2})?/[0-9]{7})(?:v[0-9]+)?"
# RFC 3651, section 3: a naming authority (in practice, numbers with dots), a slash, any local name.
# DSpace uses the prefix 123456789 until a prefix is registered: such a handle is not unique.
HANDLE = r"(?!123456789/)[0-9]+(?:\.[0-9A-Za-z-]+)*/\S+"
ISSN = r"[0-9]{4}-?[0-9]{3}[0-9Xx]"
ISBN = r"(?:[0-9][ -]?){9,12}[0-9Xx]"

# What people write before an identifier. A program that adds one to a text that already has one doubles it.
_LABEL = (
    r"(?:https?(?:://|%3A%2F%2F)(?:(?:dx\.|www\.)?doi\.org|hdl\.handle\.net|(?:www\.)?(?:orcid|ror)\.org"
    r"|(?:[a-z]+\.)?arxiv\.org(?:/|%2F)(?:abs|pdf))"
    r"(?:/|%2F)|(?:doi|hdl|handle|arxiv|orcid|ror|pmid|pmcid|[ep]?-?issn(?:-l)?|isbn(?:-?1[03])?)(?:: ?| )"
    r"|info:(?:doi|hdl|arxiv|pmid)/|urn:(?:doi:|issn:|isbn:)?)"
)
_DOUBLED = re.compile(rf"(?:{_LABEL})+(?={_LABEL})|(?:https?://)+(?=https?://)", re.IGNORECASE | re.ASCII)
_LABELS = re.compile(rf"(?:{_LABEL})*", re.IGNORECASE | re.ASCII)

# Sixteen digits, in groups or not: ISO 27729.
ISNI = r"(?:[0-9]{4}[ -]?){3}[0-9]{3}[0-9X]"
# https://ror.readme.io/docs/identifier
ROR = r"0[a-hj-km-np-tv-z0-9]{6}[0-9]{2}"
# https://www.wikidata.org/wiki/Property:P227
GND = r"(?:1[012]?[0-9]{7}[0-9X]|[47][0-9]{6}-[0-9]|[1-9][0-9]{0,7}-[0-9X]|3[0-9]{7}[0-9X])"
# draft-kunze-ark-41, sections 2.2 to 2.4: a NAAN, a slash, a name with qualifiers.
ARK = r"([0-9bcdfghjkmnpqrstvwxz]{5,})/([^\s?#]+)"
# Year, journal, volume, page, initial: https://ui.adsabs.harvard.edu/help/actions/bibcode
BIBCODE = r"[12][0-9]{3}[A-Z][A-Z0-9&.:+]{13}[A-Z.:]"
# https://docs.softwareheritage.org/devel/swh-model/persistent-identifiers.html
SWHID = r"swh:1:(?:cnt|dir|rel|rev|snp):[0-9a-f]{40}(?:;(?:origin|visit|anchor|path|lines|bytes)=[^\s;]+)*"
# RFC 8458, section 3: the code of a country, and a string that the national library gives.
NBN = r"(?:urn(?::|%3A))*urn(?::|%3A)nbn(?::|%3A)([a-z]{2}(?:[:-]|%3A)[^\s?#&]+)"
PMC = r"PMC([0-9]{4,}(?:\.[0-9]+)?)"
QID = r"Q[1-9][0-9]*"
VIAF = r"[1-9][0-9]{1,21}"
# https://www.loc.gov/marc/lccn-namespace.html: also with a hyphen, blanks, or a suffix after a slash.
LCCN = r"[a-z]{0,3} {0,3}[0-9]{2,4}(?:-[0-9]{1,6}|[0-9]{6})(?: ?/\S*)?"
GRID = r"grid\.[0-9]{4,6}\.[0-9a-f]{1,2}"
# A DOI of the Open Funder Registry, with or without its prefix.
FUNDER = r"(?:10\.13039/)?([0-9]{6,15})"

# Full stops and commas at the end belong to the sentence, not to the identifier.
END = r"[.,;]*"
_URL = re.compile(r"(?:https?|ftp)://[^\s/]\S*", re.IGNORECASE)
NCBI = r"https?://(?:www\.)?ncbi\.nlm\.nih\.gov"


def is_web(text: str) -> bool:
    """Return whether a text is a URL."""
    return _URL.fullmatch(text) is not None


def without_doubled_label(text: str) -> str:
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
    address = without_doubled_label(text)
    is_url = address == text or _URL.fullmatch(address)
    return (address if is_url else text).replace("&amp;", "&")


def read_unchanged(match: re.Match[str]) -> str:
    """Return the text of the identifier as it is."""
    return match[1]


def read_doi(match: re.Match[str]) -> str | None:
    """Return the DOI in lower case, with its prefix once."""
    doi = match[1]
    lower = doi.lower() if doi.isascii() else re.sub("[A-Z]+", lambda letters: letters[0].lower(), doi)
    return _with_one_prefix(lower, needs_label=False)


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


def read_doi_of_url(match: re.Match[str]) -> str | None:
    """Return the DOI of a resolver's address."""
    inner = re.fullmatch(f"({DOI}){END}", _unquoted(match[1]))
    return read_doi(inner) if inner else None


def read_handle(match: re.Match[str]) -> str | None:
    """Return the handle with its prefix once."""
    return _with_one_prefix(match[1], needs_label=True)


def read_handle_of_url(match: re.Match[str]) -> str | None:
    """Return the handle of a resolver's address."""
    return _with_one_prefix(_unquoted(match[1]), needs_label=True)


def _unquoted(text: str) -> str:
    """Return the text without percent-encoding; unchanged if the result is not printable text (`%00`, `%E9`)."""
    decoded = unquote(text)
    return decoded if decoded.isprintable() and "\N{REPLACEMENT CHARACTER}" not in decoded else text


def read_issn(match: re.Match[str]) -> str | None:
    """Return the ISSN with a hyphen; None if its check digit is wrong."""
    digits = match[1].replace("-", "").upper()
    return f"{digits[:4]}-{digits[4:]}" if check_digits.is_valid_issn(digits) else None


def read_bare_issn(match: re.Match[str]) -> str | None:
    """Return the ISSN unless the text may be a range of years.

    One range in eleven, such as 1903-1914, has a valid check digit.
    """
    first, second = match[1].split("-")
    years = "1000" <= first <= second <= "2100"
    return None if years else read_issn(match)


def read_isbn(match: re.Match[str]) -> str | None:
    """Return the 13 digits of the ISBN; None if its check digit is wrong."""
    digits = re.sub("[ -]", "", match[1]).upper()
    return check_digits.to_isbn_13(digits) if len(digits) in (10, 13) else None


def read_bare_isbn(match: re.Match[str]) -> str | None:
    """Return the ISBN if it has 13 digits or three hyphens; ten digits without hyphens may be any number."""
    digits = re.sub("[ -]", "", match[1])
    return read_isbn(match) if len(digits) == 13 or match[1].count("-") == 3 else None  # noqa: PLR2004


def read_pmcid(match: re.Match[str]) -> str:
    """Return the PMC number with its letters."""
    return f"PMC{match[1]}"


def read_isni(match: re.Match[str]) -> str | None:
    """Return the 16 digits of the ISNI; None if the check digit is wrong."""
    digits = re.sub("[ -]", "", match[1]).upper()
    return digits if check_digits.is_valid_isni(digits) else None


def read_orcid(match: re.Match[str]) -> str | None:
    """Return the ORCID iD with hyphens; None if the check digit is wrong, or the ISNI is not one of ORCID's."""
    digits = read_isni(match)
    if digits is None or not check_digits.is_in_orcid_block(digits):
        return None
    return "-".join((digits[:4], digits[4:8], digits[8:12], digits[12:]))


def read_ror(match: re.Match[str]) -> str | None:
    """Return the ROR ID in lower case; None if its checksum is wrong."""
    ror = match[1].lower()
    return ror if check_digits.is_valid_ror(ror) else None


def read_gnd(match: re.Match[str]) -> str | None:
    """Return the GND number; None if its check digit is wrong."""
    gnd = match[1].upper()
    return gnd if check_digits.is_valid_gnd(gnd) else None


def read_ark(match: re.Match[str]) -> str | None:
    """Return the ARK as its specification normalizes it: without the first slash and without hyphens."""
    name = re.sub(r"%[0-9a-f]{2}", lambda octet: octet[0].upper(), match[2].replace("-", ""))
    name = name.rstrip("./")
    return f"ark:{match[1].lower()}/{name}" if name else None


def read_bibcode(match: re.Match[str]) -> str | None:
    """Return the bibcode without percent-encoding (`&` in `A&A`)."""
    inner = re.fullmatch(BIBCODE, unquote(match[1]), re.IGNORECASE | re.ASCII)
    return inner[0] if inner else None


def read_swhid(match: re.Match[str]) -> str:
    """Return the SWHID with its qualifiers."""
    core, semicolon, qualifiers = match[1].partition(";")
    return core.lower() + semicolon + qualifiers


def read_nbn(match: re.Match[str]) -> str:
    """Return the URN with its country in lower case. The rest may be case-sensitive."""
    name = match[1].replace("%3A", ":").replace("%3a", ":")
    return f"urn:nbn:{name[:2].lower()}{name[2:]}"


def read_lccn(match: re.Match[str]) -> str | None:
    """Return the number as `info:lccn` normalizes it: without blanks and suffix, the serial with six digits."""
    number = match[1].lower().partition("/")[0].replace(" ", "")
    start, hyphen, serial = number.partition("-")
    number = start + serial.zfill(6) if hyphen else number
    return number if re.fullmatch(r"[a-z]{0,3}[0-9]{8}|[a-z]{0,2}[0-9]{10}", number) else None


def read_funder(match: re.Match[str]) -> str:
    """Return the DOI of the funder."""
    return f"10.13039/{match[1]}"


def read_upper(match: re.Match[str]) -> str:
    """Return the identifier in upper case."""
    return match[1].upper()


def read_lower(match: re.Match[str]) -> str:
    """Return the identifier in lower case."""
    return match[1].lower()

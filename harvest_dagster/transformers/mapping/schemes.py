"""Read an identifier whose scheme the source or the author of a mapping names."""

from __future__ import annotations

import re
from typing import get_args

from harvest_dagster.transformers.document import Identifier, Scheme
from harvest_dagster.transformers.identifiers import identify

_SCHEMES: dict[str, Scheme] = {scheme: scheme for scheme in get_args(Scheme)}
_OTHER_NAMES: dict[str, Scheme] = {
    **dict.fromkeys(("eissn", "pissn", "issnl", "issnprint", "issnonline"), "issn"),
    **dict.fromkeys(("isbn10", "isbn13", "eisbn"), "isbn"),
    **dict.fromkeys(("hdl",), "handle"),
    **dict.fromkeys(("pmc",), "pmcid"),
    **dict.fromkeys(("uri",), "url"),
}
# The part of an address, or of a text with a label, that is the identifier. `identify` reads the others.
_FORMS = {
    "orcid": re.compile(r"(?:https?://orcid\.org/|orcid:\s?)?([0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{3}[0-9X])"),
    "ror": re.compile(r"(?:https?://)?(?:ror\.org/)?(0[a-z0-9]{6}[0-9]{2})"),
    "isni": re.compile(r"(?:https?://(?:www\.)?isni\.org/(?:isni/)?)?((?:[0-9]{4} ?){3}[0-9]{3}[0-9X])"),
    "wikidata": re.compile(r"(?:https?://(?:www\.)?wikidata\.org/(?:wiki|entity)/)?(Q[0-9]+)"),
    "viaf": re.compile(r"(?:https?://(?:www\.)?viaf\.org/viaf/)?([0-9]+)/?"),
    "gnd": re.compile(r"(?:https?://d-nb\.info/gnd/)?([0-9X-]+)"),
}
_LABELED = frozenset({"doi", "arxiv", "pmid", "pmcid", "handle", "issn", "isbn"})


def known_scheme(name: str) -> Scheme | None:
    """Return the scheme that a name means; None if it is not known."""
    key = re.sub("[^a-z0-9]", "", name.lower())
    return _SCHEMES.get(key) or _OTHER_NAMES.get(key)


def identifier_in(scheme: str | None, value: str) -> Identifier:
    """Return an identifier.

    Args:
        scheme: its name as the source or the mapping gives it; None if nobody names it.
        value: the identifier.
    """
    found = identify(value)
    if scheme is None:
        return found
    known = known_scheme(scheme)
    if known is None or known == "other":
        text = None if known == "other" else scheme
        return found if found.scheme not in ("other", "url") else Identifier("other", value, text)
    if known == found.scheme:
        return found
    if known in _LABELED:
        labeled = identify(f"{known}:{value}")
        return labeled if labeled.scheme == known else Identifier("other", value, scheme)
    match = _FORMS[known].fullmatch(value) if known in _FORMS else None
    if match is not None:
        return Identifier(known, match[1].replace(" ", ""))
    return Identifier("other", value, scheme) if known in _FORMS else Identifier(known, value)

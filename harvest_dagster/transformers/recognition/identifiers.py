"""Recognize identifiers as people write them, and return each in the normal form of its scheme.

The whole text must be the identifier: the DOI at the end of a citation may be that of the volume. An identifier
without a label is recognized only if its form is unambiguous (a DOI, a PMC number, an ARK, a SWHID, and an ISBN, ISSN
or ORCID iD with hyphens and a valid check digit). Plain numbers and handles need a label, a resolver, or a scheme that
the record declares. Any other text has the scheme `other`.

Here: the functions that choose a rule. Not here: the form of each scheme (`identifier_forms`), what stands before it
(`identifier_rules`), and the names of schemes in metadata formats (`identifier_schemes`).

Why no library does this: docs/decisions/0023. How often each rule is right on recorded data: docs/decisions/0064.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from harvest_dagster.transformers.document import Identifier, Scheme
from harvest_dagster.transformers.recognition import identifier_rules as rules
from harvest_dagster.transformers.recognition.identifier_forms import (
    is_web,
    web_address,
    without_doubled_label,
)
from harvest_dagster.transformers.recognition.identifier_schemes import scheme_named

__all__ = ["identify", "identify_as", "web_address"]

_HOST = re.compile(r"https?://(?:www\.)?([a-z0-9.-]+)", re.IGNORECASE | re.ASCII)
_LABEL = re.compile(r"[a-z]+(?:-[a-z]+)*", re.IGNORECASE | re.ASCII)
# A MARC field, such as $0, names the organization before the number: (DE-588)118540238.
_ORGANIZATION = re.compile(r"\(([A-Za-z-]+[0-9]*)\)(\S+)", re.ASCII)

# The same DOI of a funder, ORCID iD or ISSN occurs in many records. Longer texts are not kept: a source chooses them.
_CACHED = 4096
_LONGEST_CACHED = 200

# A scheme may be declared by the name of a broader one: an ORCID iD is an ISNI, and every DOI is a handle.
_NARROWER: dict[Scheme, frozenset[Scheme]] = {
    "handle": frozenset({"doi", "fundref"}),
    "isni": frozenset({"orcid"}),
    "oai": frozenset({"arxiv", "pmcid"}),
    "urn": frozenset({"doi", "isbn", "issn", "nbn"}),
}


def identify(text: str) -> Identifier:
    """Return the identifier that a text is; with the scheme `other` if it is of no known scheme.

    >>> found = identify("https://dx.doi.org/10.1000/ABC"), identify("Phys. Rev. 47")
    >>> [(one.scheme, one.value) for one in found]
    [('doi', '10.1000/abc'), ('other', 'Phys. Rev. 47')]
    """
    return _identify_cached(text) if len(text) <= _LONGEST_CACHED else _identify(text)


def identify_as(scheme: str, value: str) -> Identifier:
    """Return the identifier that a value is, if a record declares its scheme.

    Args:
        scheme: the name or the address of the scheme, as metadata formats write it: `ORCID`, `(DE-588)`, `pmc`,
            `https://ror.org/`. If it is not known, the value is recognized without it.
        value: with or without a label or a resolver. A value that does not fit the scheme becomes `other`, unless it
            is the web address of an identifier: the address then is the better witness.

    >>> found = identify_as("ORCID", "0000000218250097"), identify_as("(DE-588)", "118540238")
    >>> [(one.scheme, one.value) for one in found]
    [('orcid', '0000-0002-1825-0097'), ('gnd', '118540238')]
    >>> unfit = identify_as("pmid", "in press")
    >>> unfit.scheme, unfit.value, unfit.scheme_text
    ('other', 'in press', 'pmid')
    """
    declared = scheme_named(scheme)
    found = Identifier("other", value) if declared == "other" else identify(value)
    if declared not in (None, "other"):
        found = _narrow(declared, value, found)
    return Identifier("other", value, scheme or None) if found.scheme == "other" else found


def _narrow(declared: Scheme, value: str, found: Identifier) -> Identifier:
    """Return the identifier in the declared scheme; `found`, what the value is without it, if that is better."""
    if declared in (found.scheme, "url"):
        return found if found.scheme == declared or is_web(value) else Identifier("other", value)
    if found.scheme in _NARROWER.get(declared, ()):
        return found
    declared_rules = rules.DECLARED.get(declared, ())
    return (
        _first(declared_rules, value)
        or _first(declared_rules, found.value)
        or (found if is_web(value) else Identifier("other", value))
    )


def _identify(text: str) -> Identifier:
    single = without_doubled_label(text)
    found = _recognize(single)
    if found is None and single != text:
        found = _recognize(text)
    return found or Identifier("other", text)


_identify_cached = lru_cache(maxsize=_CACHED)(_identify)


def _recognize(text: str) -> Identifier | None:
    if text[:4].lower() in ("http", "ftp:"):
        return _recognize_web(text)
    if text[:1].isdecimal():
        return _first(rules.BARE, text)
    if match := _LABEL.match(text):
        return _first(rules.LABELED.get(match[0].lower(), ()), text)
    if match := _ORGANIZATION.fullmatch(text):
        declared = scheme_named(match[1])
        return _first(rules.DECLARED.get(declared, ()), match[2]) if declared else None
    return None


def _recognize_web(text: str) -> Identifier | None:
    if match := _HOST.match(text):
        host = match[1].lower()
        by_host = rules.RESOLVERS.get(host)
        if by_host is None:
            # dx.doi.org, export.arxiv.org
            by_host = rules.RESOLVERS.get(host.partition(".")[2], ())
        found = _first(by_host, text)
        if found is None and "ark:" in text.lower():
            found = _first(rules.ANY_HOST, text)
        if found is not None:
            return found
    address = web_address(text)
    return Identifier("url", address) if address else None


def _first(candidates: Iterable[rules.Rule], text: str) -> Identifier | None:
    for scheme, pattern, read in candidates:
        if (match := rules.compiled(pattern).fullmatch(text)) and (value := read(match)):
            return Identifier(scheme, value)
    return None


def identify_declared(declared: str | None, text: str) -> Identifier:
    """Return the identifier in the declared scheme, if there is one; otherwise in the scheme of its form.

    >>> identify_declared("orcid", "0000-0002-1825-0097").scheme, identify_declared("local", "12").scheme_text
    ('orcid', 'local')
    """
    return identify_as(declared, text) if declared else identify(text)

"""Identifiers of authority records, as libraries write them: `(DE-588)118540238`, or with the scheme beside them."""

from __future__ import annotations

import re

from harvest_dagster.transformers.document import Identifier
from harvest_dagster.transformers.recognition.identifier_schemes import scheme_named
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as

_PREFIXED = re.compile(r"\(([^()\s]+)\) ?(\S.*)")


def identify_declared(declared: str | None, text: str) -> Identifier:
    """Return the identifier in the declared scheme, if there is one; otherwise in the scheme of its form.

    >>> identify_declared("orcid", "0000-0002-1825-0097").scheme, identify_declared("local", "12").scheme_text
    ('orcid', 'local')
    """
    return identify_as(declared, text) if declared else identify(text)


def identify_authority(text: str) -> Identifier:
    """Return the identifier of a subfield 0 or 1 of MARC, whose prefix names the scheme.

    >>> identify_authority("(DE-588)118540238").scheme, identify_authority("(OCoLC)12").value
    ('gnd', '(OCoLC)12')
    """
    match = _PREFIXED.fullmatch(text)
    if not match:
        return identify(text)
    # Most prefixes are those of catalogs. A number is unique only with its prefix, which says whose it is.
    # DLC is the Library of Congress, whose numbers are LCCNs.
    declared = "lccn" if match[1] == "DLC" else match[1]
    known = scheme_named(declared) not in (None, "other")
    found = identify_as(declared, match[2]) if known or match[2].startswith("http") else None
    return found if found and found.scheme != "other" else Identifier("other", text, match[1])

"""Recognize the identifiers of authority records, as MARC writes them: `(DE-588)118540238`."""

from __future__ import annotations

import re

from harvest_dagster.transformers.document import Identifier
from harvest_dagster.transformers.recognition.identifier_schemes import scheme_named
from harvest_dagster.transformers.recognition.identifiers import identify, identify_as

_PREFIXED = re.compile(r"\(([^()\s]+)\) ?(\S.*)")


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

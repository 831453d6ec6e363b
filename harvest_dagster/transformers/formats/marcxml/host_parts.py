"""Parse where a part stands in its host: `Bd. 5 (2010), H. 3, S. 12-20` (field 773, subfield g).

Subfield g is free text. It is parsed only if each part of it is recognized, and no part stands twice. The document
keeps the text as well.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_PARTS = tuple(
    (name, re.compile(pattern, re.IGNORECASE))
    for name, pattern in (
        ("volume", r"(?:vol(?:ume)?|v|bd|band|jg|jahrgang|tome?)[.:]? ?(\d+)"),
        ("issue", r"(?:no|nos|nr|number|num|n|issue|iss|h|heft|fasc|pt)[.:]? ?(\d+(?:[-/]\d+)?)"),
        ("pages", r"(?:pp?|pages?|s|seiten?)[.:]? ?(\d+(?: ?[-\N{EN DASH}] ?\d+)?)"),
        ("year", r"\(?(?:year:)?([12]\d{3})\)?"),
        ("number", r"(?:art(?:icle)?|article no)[.:]? ?(\w+)"),
    )
)
_SEPARATOR = re.compile(r"[,;]\s*|\s+(?=\()|(?<=\))\s*|\s+(?=(?:year|number|pages|volume):)")
# The form of subfield q: volume, issue and so on, and after `<` the first page.
_POSITION = re.compile(r"(\d+)(?::(\d+))?<(\w+)")
_RANGE = re.compile(r"\s*[-\N{EN DASH}]\s*")


def parse_parts(texts: Sequence[str]) -> dict[str, str]:
    """Return the volume, issue, year, number and pages that some texts name; nothing if a part is not recognized.

    >>> parse_parts(["Bd. 5 (2010), H. 3, S. 12-20"])
    {'volume': '5', 'year': '2010', 'issue': '3', 'first_page': '12', 'last_page': '20'}
    """
    found: dict[str, str] = {}
    for text in texts:
        for token in filter(None, (part.strip(" .") for part in _SEPARATOR.split(text))):
            name, value = _recognize(token)
            if name in found or not value:
                return {}
            found[name] = value
    if pages := found.pop("pages", None):
        first, *last = _RANGE.split(pages)
        found |= {"first_page": first, **({"last_page": last[0]} if last else {})}
    return found


def _recognize(token: str) -> tuple[str, str]:
    for name, pattern in _PARTS:
        if match := pattern.fullmatch(token):
            return name, match[1]
    return "", ""


def parse_position(text: str) -> dict[str, str]:
    """Return the volume, issue and first page of a subfield q.

    >>> parse_position("24:9<235")
    {'volume': '24', 'first_page': '235', 'issue': '9'}
    """
    match = _POSITION.fullmatch(text)
    if match is None:
        return {}
    issue = {"issue": match[2]} if match[2] else {}
    return {"volume": match[1], "first_page": match[3], **issue}

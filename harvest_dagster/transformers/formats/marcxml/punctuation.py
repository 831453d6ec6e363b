"""Remove the punctuation that ISBD puts between the parts of a description.

Catalogers write it at the end of the subfield before (MARC 21, appendix A; ISBD, A.3): `$a Title : $b subtitle /`.
Removed are ` /`, ` :`, ` ;`, ` =` and ` +` with a blank before them, and commas. A colon without a blank belongs to
the text. A full stop ends a heading, an imprint or a title, if the last word has three letters or digits and is no
abbreviation. Other tools for MARC use the same rule (Traject, `Marc21.trim_punctuation`).
"""

from __future__ import annotations

import re

# The last four are the forms of full width, which CJK records use without a blank.
_SEPARATORS = re.compile(r"(?:\s+[/:;=+]|\s*[,\uff0c\uff0f\uff1a\uff1b]|\s)+\Z")
_FULL_STOP = re.compile(r"(\w\w\w+|[)\]\"'\N{RIGHT DOUBLE QUOTATION MARK}?!])\.\Z")
_ABBREVIATED = (
    "abt acad ass assn assoc aufl bros comp corp dept dist div etc gov govt inc inst intl ltd mfg natl prof publ rev "
    "sen ser soc soz suppl univ vol ausg bearb hrsg verl"
)
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())


def without_separator(text: str) -> str:
    """Return a text without the separators at its end.

    >>> without_separator("Title :"), without_separator("Berlin ;"), without_separator("Doe, Jane,")
    ('Title', 'Berlin', 'Doe, Jane')
    """
    # Most texts have none, and the expression is slow for a text with many blanks.
    return _SEPARATORS.sub("", text) if text[-1:] in _ENDS else text


_ENDS = frozenset("/:;=+, \uff0c\uff0f\uff1a\uff1b")


def without_full_stop(text: str) -> str:
    """Return a text without the full stop that ends a field.

    >>> without_full_stop("1920-2005."), without_full_stop("Doe, J."), without_full_stop("Oxford Univ.")
    ('1920-2005', 'Doe, J.', 'Oxford Univ.')
    """
    if text[-1:] in ("\uff0e", "\u3002"):
        return text[:-1]
    if text[-1:] != "." or text.endswith(".."):
        return text
    match = _FULL_STOP.search(text)
    return text[:-1] if match and match[1].lower() not in _ABBREVIATIONS else text


def without_brackets(text: str) -> str:
    """Return a text without the brackets around it: the cataloger took it from outside the resource.

    Brackets may begin in one subfield and end in the next: `$a [Berlin : $b Springer]`.

    >>> without_brackets("[Berlin]"), without_brackets("Springer]"), without_brackets("[New] York [City]")
    ('Berlin', 'Springer', '[New] York [City]')
    """
    inner = text.removeprefix("[").removesuffix("]")
    return text if "[" in inner or "]" in inner else inner

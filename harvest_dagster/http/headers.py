"""Headers that a request can carry, as RFC 9110, section 5, has them."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FAULTS = (
    (re.compile(r"[\r\n]"), "holds a line break, as a secret read from a file often does at its end"),
    (re.compile(r"\A\s|\s\Z"), "begins or ends with white space"),
    (re.compile(r"[\0-\x08\x0a-\x1f\x7f]"), "holds a control character"),
    (re.compile(r"[^\0-\xff]"), "holds a character that is not in ISO 8859-1"),
)


def fault(headers: Mapping[str, str]) -> str | None:
    """What is wrong with the first header that cannot be sent; never its value."""
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None:
            return f"the header {name[:40]!r} has a name that HTTP does not allow"
        for pattern, what in _FAULTS:
            if pattern.search(value):
                return f"the value of the header {name!r} {what}"
    return None

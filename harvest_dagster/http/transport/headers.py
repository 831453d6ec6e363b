"""Validate request headers (RFC 9110, section 5)."""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE_FAULTS = (
    (re.compile(r"[\r\n]"), "contains a line break. A secret read from a file often ends with one"),
    (re.compile(r"\A\s|\s\Z"), "begins or ends with white space"),
    (re.compile(r"[\0-\x08\x0a-\x1f\x7f]"), "contains a control character"),
    (re.compile(r"[^\0-\xff]"), "contains a character that is not in ISO 8859-1"),
)


def find_fault(headers: Mapping[str, str]) -> str | None:
    """Return what is wrong with the first header that cannot be sent, None if all can.

    The text never contains the value, which may be a secret.
    """
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None:
            return f"the header {name[:40]!r} has a name that HTTP does not allow"
        for pattern, fault in _VALUE_FAULTS:
            if pattern.search(value):
                return f"the value of the header {name!r} {fault}"
    return None

"""Lines of JSON, one value on each (https://jsonlines.org)."""

from __future__ import annotations

import json


def is_cut_off(line: bytes) -> bool:
    """Return whether the last line of a text is cut off: it has no line break, and is no JSON."""
    if line.endswith(b"\n"):
        return False
    try:
        json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return True
    return False

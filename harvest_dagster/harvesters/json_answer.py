"""What a page of a JSON list says of itself beside its records: how many there are in all, and that it failed.

APIs tell both in ways of their own, so what stands where the config points to is a count or an error, and
never passed over: a total that nobody can read would leave a short list without proof, for ever.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from harvest_dagster.errors import ProtocolError, SourceRefused
from harvest_dagster.harvesters.exact_json import canonical
from harvest_dagster.harvesters.json_paths import find
from harvest_dagster.texts import brief

_COUNT = re.compile(r"\s*([0-9]{1,15})(\.0+)?\s*", re.ASCII)
_NO_ERROR = "0"  # of APIs whose errors have numbers
_SEEN = 200  # characters
_KEYS_SEEN = 10


def total(document: Any, path: str, *, url: str) -> int | None:
    """The source's own count, a number or a text (bioRxiv); None where there is nothing, or null.

    Raises:
        ProtocolError: there is something else, such as Elasticsearch's `{"value": 30, "relation": "eq"}`.
    """
    found = find(document, path)
    if found is None:
        return None
    count = _count(found)
    if count is None:
        message = (
            f"{url} has no number of records at {path}, but {_told(found)}. {_total_remedy(found, path)}"
        )
        raise ProtocolError(message)
    return count


def raise_if_error(document: Any, path: str, *, url: str) -> None:
    """Raise what the source tells where its errors stand, in an answer that is a success by its status.

    Raises:
        SourceRefused: there is something that is neither null nor empty, false or 0.
    """
    found = find(document, path)
    if not found or found == _NO_ERROR:
        return
    message = (
        f"{url} answered with an error at {path}: {_text(found)}. "
        "See whether `params` are right; where they are, try again later, or ask the operator of the source."
    )
    raise SourceRefused(message, code=path)


def described(document: Any) -> str:
    """What stands where something else should, for a message."""
    if isinstance(document, Mapping):
        return f"the keys {brief(', '.join(islice(document, _KEYS_SEEN)), _SEEN)}"
    return "no object"


def _count(found: Any) -> int | None:
    number = _COUNT.fullmatch(found) if isinstance(found, str) else None  # a Number is a text
    return int(number[1]) if number else None


def _told(found: Any) -> str:
    return described(found) if isinstance(found, Mapping) and found else _text(found)


def _total_remedy(found: Any, path: str) -> str:
    within = found if isinstance(found, Mapping) else {}
    if key := next((key for key, value in within.items() if _count(value) is not None), None):
        return f"Write `total: {path}.{key}`, if that is it."
    return "Check `total`; leave it out where the source does not know how many there are."


def _text(found: Any) -> str:
    try:
        return brief(found if isinstance(found, str) else canonical(found), _SEEN)
    except (ValueError, RecursionError):
        return f"what has no canonical form, {type(found).__name__.lower()}"

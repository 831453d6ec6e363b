"""Read the total, the flag for more records, and the errors in a page of a REST API.

Each API reports them in its own form. If the value at the configured path has an unknown form, that is an error: an
ignored total would leave every window `unverified`, and nobody would know why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from harvest_dagster.errors import MisconfiguredSource, ProtocolError, SourceRefused
from harvest_dagster.harvesters.formats.strict_json import canonical_json
from harvest_dagster.harvesters.rest.paths import PathTarget, find, members_of
from harvest_dagster.texts import shorten

_COUNT = re.compile(r"\s*([0-9]{1,15})(\.0+)?\s*", re.ASCII)
_NO_ERROR = "0"  # of APIs that number their errors
_LONGEST_EXCERPT = 200  # characters
_MOST_KEYS = 10
_ARCGIS_FLAGS = ("exceededTransferLimit", "properties.exceededTransferLimit")  # in JSON, and in GeoJSON
_NO_ERRORS = frozenset({_NO_ERROR, "", "none", "null", "false", "ok", "no error"})
_FAILED = frozenset({"error", "fail", "failed", "failure"})
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}


def _is_error_text(value: Any) -> bool:
    return bool(value) and not (isinstance(value, str) and value.strip().lower() in _NO_ERRORS)


# Elasticsearch has `timed_out`, CKAN `success`, JSend `status`, JSON:API and GraphQL `errors`.
_USUAL_ERRORS: Mapping[str, Callable[[Any], bool]] = {
    "error": _is_error_text,
    "errors": _is_error_text,
    "timed_out": lambda value: value is True,
    "success": lambda value: value is False,
    "status": lambda value: isinstance(value, str) and value.lower() in _FAILED,
}


def find_total(document: Any, path: str, *, url: str) -> int | None:
    """Return the source's own count of the list, or None if there is no value or null at the path.

    bioRxiv writes the number as text (`"total": "152918"`), other sources as a decimal number (`7.0`).

    Raises:
        MisconfiguredSource: the value is not a whole number, such as Elasticsearch's `{"value": 30, "relation": "eq"}`.
    """
    found = find(document, path)
    if found is None:
        return None
    count = _count(found)
    if count is None:
        message = (
            f"{url} has no number of records at {path}, but {_excerpt(found)}. {_total_remedy(found, path)}"
        )
        raise MisconfiguredSource(message)
    return count


def find_flag(document: Any, path: str | None, *, url: str) -> bool | None:
    """Return the flag that says whether there are more records, or None if there is no value or null.

    APIs also write it as a number or a text. ArcGIS needs no path: it filters after paging, so that an empty page of
    a layer can have followers, and its flag has the same name everywhere.

    Raises:
        MisconfiguredSource: the value is no flag.
    """
    if path is None:
        return True if any(find(document, known) is True for known in _ARCGIS_FLAGS) else None
    found = find(document, path)
    if found is None or isinstance(found, bool):
        return found
    flag = _FLAGS.get(found.strip().lower()) if isinstance(found, str) else None  # a Number is a str
    if flag is None:
        message = (
            f"{url} has no flag at {path}, but {_excerpt(found)}. `more` in `next` is the path of true or false. "
            "Correct it."
        )
        raise MisconfiguredSource(message)
    return flag


def raise_if_error(document: Any, path: str, *, url: str) -> None:
    """Raise SourceRefused if there is an error at the path, in a response whose status reports success.

    No value, null, false, 0 and everything empty mean that there is no error.
    """
    found = find(document, path)
    if not found or found == _NO_ERROR:
        return
    message = (
        f"{url} answered with an error at {path}: {_text(found)}. "
        "Check `params`. If they are right, try again later, or ask the operator of the source."
    )
    raise SourceRefused(message, code=path)


def raise_if_usual_error(document: Any, *, url: str) -> None:
    """Raise ProtocolError if a page that has a list says at its top level that it failed, as APIs usually say it.

    A search engine that ran into a timeout answers with an empty list, or with a part of it, and status 200. The list
    would end there (docs/failures.md#error-beside-a-list). With `error` in the config, only that path counts.
    """
    if (error := find_usual_error(document)) is not None:
        message = (
            f"{url} answered with a list and with {error}. Try again later. If this is no error, set `error` to the "
            "path of errors of this source."
        )
        raise ProtocolError(message)


def find_usual_error(document: Any) -> str | None:
    """Return the error that a page reports at its top level, for a message; None if it reports none."""
    for key, is_failure in _USUAL_ERRORS.items() if isinstance(document, Mapping) else ():
        if is_failure(value := document.get(key)):
            return f"an error at {key}: {_text(value)}"
    return None


def describe_value(document: Any) -> str:
    """Return a description of a value for an error message: the keys of an object, "a list", or "no object"."""
    if isinstance(document, list):
        return "a list"
    if isinstance(document, (Mapping, PathTarget)):
        kind = "keys" if isinstance(document, Mapping) else "elements"
        return f"the {kind} {shorten(', '.join(islice(members_of(document), _MOST_KEYS)), _LONGEST_EXCERPT)}"
    return "no object"


def _count(found: Any) -> int | None:
    number = _COUNT.fullmatch(found) if isinstance(found, str) else None  # a Number is a str
    return int(number[1]) if number else None


def _excerpt(found: Any) -> str:
    return describe_value(found) if isinstance(found, Mapping) and found else _text(found)


def _total_remedy(found: Any, path: str) -> str:
    members = found if isinstance(found, Mapping) else {}
    if key := next((key for key, value in members.items() if _count(value) is not None), None):
        return f"Write `total: {path}.{key}` if that is the number of records."
    return "Check `total`. Remove it if the source does not know the number of records."


def _text(found: Any) -> str:
    try:
        return shorten(found if isinstance(found, str) else canonical_json(found), _LONGEST_EXCERPT)
    except (ValueError, RecursionError):
        return f"a value without canonical form ({type(found).__name__.lower()})"

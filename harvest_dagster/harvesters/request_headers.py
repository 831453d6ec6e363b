"""Validate the argument `headers`, for every harvester that sends HTTP headers from its config."""

from __future__ import annotations

from harvest_dagster.http.transport.headers import find_fault


def validate_headers(headers: dict[str, str]) -> dict[str, str]:
    """Return the headers.

    Raises:
        ValueError: HTTP does not allow a name or a value.
    """
    if (problem := find_fault(headers)) is not None:
        raise ValueError(problem)
    return headers

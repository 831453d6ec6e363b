"""Recognize empty windows by other answers than their own list.

- A window before earliestDatestamp. Some repositories refuse a `from` before it.
- A window that the repository refuses with cannotDisseminateFormat or badArgument, in place of noRecordsMatch, although
  the same arguments work for other dates.

Neither is believed without a second request, because both would hide data forever: some repositories report an
earliestDatestamp that is too late, and a format may be withdrawn. The answer to the second request is remembered where
that is possible.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from harvest_dagster.errors import SourceError, SourceRefused
from harvest_dagster.harvesters.oai.arguments import OaiArguments
from harvest_dagster.harvesters.oai.endpoint import Endpoint
from harvest_dagster.harvesters.oai.errors import BadArgument, CannotDisseminateFormat, OaiError
from harvest_dagster.harvesters.oai.identify import parse_metadata_format
from harvest_dagster.harvesters.oai.pages import headers_of
from harvest_dagster.harvesters.window_ends.requested_dates import (
    Granularity,
    RequestedDates,
    aligned_window,
    exact_dates,
)
from harvest_dagster.observations import Observations
from harvest_dagster.windows import Window, format_instant, parse_instant

_BEFORE_EARLIEST = "before_earliest"
_ANSWERED_DATES = "answered_dates"
_MAX_AGE = timedelta(days=30)
_REFRESHED_AFTER = timedelta(days=1)


@dataclass(frozen=True)
class EmptyWindows:
    """Decides whether a window is empty although its list does not say so.

    Attributes:
        endpoint: the repository.
        arguments: the arguments of the harvester.
        granularity: of the repository.
        observations: what is known about the repository.
        verb: the verb of its requests.
    """

    endpoint: Endpoint
    arguments: OaiArguments
    granularity: Granularity
    observations: Observations
    verb: str = "ListRecords"

    def is_before_earliest(self, window: Window, earliest: datetime | None) -> bool:
        """Return whether the whole window lies before earliestDatestamp, and nothing contradicts this date."""
        if earliest is None or window.end > earliest or self._has_records_before(earliest, window.start):
            return False
        self.observations.note(
            f"{window} was not requested: the earliestDatestamp of the source is {format_instant(earliest)}"
        )
        return True

    def _has_records_before(self, earliest: datetime, start: datetime) -> bool:
        """Return whether the repository has records before its earliestDatestamp, or that cannot be found out.

        One request asks for all time from `start` to earliestDatestamp. Its answer holds for every later start.
        """
        key = {"earliest": format_instant(earliest)}
        known: dict[str, Any] = self.observations.find(_BEFORE_EARLIEST, _MAX_AGE) or {}
        if known.items() >= key.items() and parse_instant(known["from"]) <= start:
            return bool(known["records"])
        dates = exact_dates(aligned_window(Window(start, earliest), self.granularity), self.granularity)
        try:
            found = self._has_records_until(dates, earliest)
        except SourceRefused:  # it refuses such a `from`
            found = False
        except SourceError:
            return True
        self.observations.record(_BEFORE_EARLIEST, {**key, "from": format_instant(start), "records": found})
        return found

    def _has_records_until(self, dates: RequestedDates, earliest: datetime) -> bool:
        arguments = {"metadataPrefix": self.arguments.metadata_prefix, **dates.arguments}
        reply = next(self.endpoint.list_pages(self.verb, arguments))
        return any(datestamp < earliest for _, datestamp in headers_of(reply.items))

    def record_answer(self, part: int, dates: RequestedDates) -> None:
        """Remember that a request with these dates was answered with records."""
        known: dict[str, Any] = self.observations.find(_ANSWERED_DATES, _REFRESHED_AFTER) or {}
        if not known or _dates_of(known, self.granularity).window.length < dates.window.length:
            first, last = format_instant(dates.first), format_instant(dates.last)
            self.observations.record(_ANSWERED_DATES, {"list": part, "first": first, "last": last})

    def is_empty(self, error: OaiError, dates: RequestedDates) -> bool:
        """Return whether an error in reply to a list request means that the list is empty.

        It does if records came with the same arguments before, and they are still accepted: the repository still
        offers the format, or still answers dates that it has answered before, of at least the same length.
        """
        known: dict[str, Any] | None = self.observations.find(_ANSWERED_DATES)
        if known is None:
            return False
        try:
            is_empty = self._still_accepts(error, known, dates)
        except SourceError:
            return False
        if is_empty:
            self.observations.note(
                f"the source answered with {error.code} in place of noRecordsMatch, because the same request works for "
                "other dates. The list is empty"
            )
        return is_empty

    def _still_accepts(self, error: OaiError, known: dict[str, Any], dates: RequestedDates) -> bool:
        if isinstance(error, CannotDisseminateFormat):
            items = self.endpoint.request("ListMetadataFormats").oai_response.items
            return self.arguments.metadata_prefix in {parse_metadata_format(item).prefix for item in items}
        answered = _dates_of(known, self.granularity)
        lists = self.arguments.lists
        if (
            not isinstance(error, BadArgument)
            or answered.window.length < dates.window.length
            or known["list"] >= len(lists)
        ):
            return False
        arguments = {**lists[known["list"]], **answered.arguments}
        return bool(next(self.endpoint.list_pages(self.verb, arguments)).items)


def _dates_of(known: dict[str, Any], granularity: Granularity) -> RequestedDates:
    return RequestedDates(parse_instant(known["first"]), parse_instant(known["last"]), granularity)

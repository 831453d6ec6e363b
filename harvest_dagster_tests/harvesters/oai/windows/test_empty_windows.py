"""Windows before earliestDatestamp, and error codes that mean an empty list."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harvest_dagster.harvesters.oai.errors import BadArgument, CannotDisseminateFormat
from harvest_dagster.observations import Observations
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.oai.odd_ends import NOW
from harvest_dagster_tests.harvesters.sources import (
    DAYS,
    Parameters,
    ScriptedSession,
    envelope,
    error,
    identify,
    listed,
    oai_source,
    record,
    requests,
)

EARLIEST = "2001-02-03"  # of `identify`
FORMATS = envelope(
    "<ListMetadataFormats><metadataFormat><metadataPrefix>oai_dc</metadataPrefix><schema>s</schema>"
    "<metadataNamespace>n</metadataNamespace></metadataFormat></ListMetadataFormats>"
)


def window(start: str, end: str) -> Window:
    return Window(parse_instant(start), parse_instant(end))


class Repository:
    """A repository with day granularity and one record a day, from which every client starts with what is known.

    Attributes:
        answer: the response to a list request; None for the records between the dates.
        asked: the dates of all list requests.
    """

    def __init__(self, *days: str, answer: Callable[[str, str], str | None] = lambda *_: None) -> None:
        self.days = days
        self.answer = answer
        self.formats = FORMATS
        self.observations = Observations((), NOW)
        self.asked: list[tuple[str, str]] = []
        self.session = ScriptedSession(self._respond)

    def harvest(self, start: str, end: str) -> list[str | None]:
        """Return the identifiers that a window keeps. `asked` has its requests."""
        self.asked.clear()
        part, client = window(start, end), oai_source(self.session)
        client.use_observations(self.observations)
        return [found.identifier for page in client.pages(part) for found in client.records(page, part)]

    def _respond(self, asked: Parameters) -> str:
        if asked["verb"] == "Identify":
            return identify(DAYS)
        if asked["verb"] == "ListMetadataFormats":
            return self.formats
        dates = asked["from"], asked["until"]
        self.asked.append(dates)
        found = [day for day in self.days if dates[0] <= day <= dates[1]]
        return self.answer(*dates) or (
            listed(*(record(day, day) for day in found)) if found else error("noRecordsMatch")
        )


def refuse_early(first: str, last: str) -> str | None:
    """Refuse a `from` before earliestDatestamp, as Dataverse does."""
    return error("badArgument", "from is before the earliest datestamp") if first < EARLIEST else None


def test_a_window_that_begins_before_earliest_datestamp_is_requested_from_there() -> None:
    """Dataverse refuses an earlier `from`, and the whole window failed (docs/failures.md#from-too-early)."""
    source = Repository(EARLIEST, "2001-02-04", answer=refuse_early)
    assert source.harvest("2001-02-01", "2001-02-05") == [EARLIEST, "2001-02-04"]
    assert source.asked == [("2001-01-31", "2001-02-05"), (EARLIEST, "2001-02-05")]


def test_a_window_before_earliest_datestamp_is_empty_and_says_so() -> None:
    """One request confirms that nothing is there. It serves all later windows of this time."""
    source = Repository(EARLIEST, answer=refuse_early)
    assert source.harvest("2001-01-01", "2001-01-02") == []
    assert source.asked == [("2001-01-01", "2001-02-02")]
    assert source.harvest("2001-01-02", "2001-01-03") == []
    assert source.asked == []
    assert source.observations.notes == (
        "[2001-01-01, 2001-01-02) was not requested: the earliestDatestamp of the source is 2001-02-03",
        "[2001-01-02, 2001-01-03) was not requested: the earliestDatestamp of the source is 2001-02-03",
    )


def test_an_earliest_datestamp_that_is_too_late_loses_no_record() -> None:
    """Some sources report the date of a migration. Records before it were lost if the date was believed."""
    source = Repository("2001-01-01", "2001-01-05", EARLIEST)
    assert source.harvest("2001-01-01", "2001-01-02") == ["2001-01-01"]
    assert source.harvest("2001-01-05", "2001-02-04") == ["2001-01-05", EARLIEST]


def test_a_source_that_cannot_answer_for_the_time_before_is_asked_as_usual() -> None:
    """Otherwise a passing error decides that a window is empty."""
    source = Repository(EARLIEST, answer=lambda _, last: "<html>" if last == "2001-02-02" else None)
    assert source.harvest("2001-01-01", "2001-01-02") == []
    assert source.asked[-1] == ("2000-12-31", "2001-01-02")
    assert source.observations.notes == ()


def cannot_disseminate(first: str, last: str) -> str | None:
    """Answer a window without the record of 10 May with the wrong code, as LearningRegistry does."""
    return None if first <= "2024-05-10" <= last else error("cannotDisseminateFormat", "none")


def bad_argument(first: str, last: str) -> str | None:
    return None if first <= "2024-05-10" <= last else error("badArgument", "none")


@pytest.mark.parametrize("answer", [cannot_disseminate, bad_argument])
def test_a_wrong_code_means_empty_after_the_same_request_worked_for_other_dates(answer) -> None:
    """Every empty day of such a source failed (docs/failures.md#wrong-code-for-empty)."""
    source = Repository("2024-05-10", answer=answer)
    assert source.harvest("2024-05-10", "2024-05-11") == ["2024-05-10"]
    assert source.harvest("2024-05-01", "2024-05-02") == []
    assert "in place of noRecordsMatch" in source.observations.notes[-1]


@pytest.mark.parametrize(
    ("answer", "kind"), [(cannot_disseminate, CannotDisseminateFormat), (bad_argument, BadArgument)]
)
def test_before_a_request_worked_a_wrong_code_is_an_error_with_both_explanations(answer, kind) -> None:
    """Otherwise a wrong metadata_prefix harvests nothing forever, with success."""
    with pytest.raises(kind, match=r"may mean that the window is empty\. Harvest a window"):
        Repository("2024-05-10", answer=answer).harvest("2024-05-01", "2024-05-02")


def test_a_format_that_was_withdrawn_is_an_error() -> None:
    """Otherwise each day after the withdrawal is green and empty."""
    source = Repository("2024-05-10", answer=cannot_disseminate)
    source.harvest("2024-05-10", "2024-05-11")
    source.formats = FORMATS.replace("oai_dc", "marcxml")
    with pytest.raises(CannotDisseminateFormat):
        source.harvest("2024-05-01", "2024-05-02")


def test_a_source_that_refuses_what_it_has_answered_before_is_an_error() -> None:
    """Otherwise a source that refuses every request with badArgument is green and empty."""
    source = Repository("2024-05-10")
    source.harvest("2024-05-10", "2024-05-11")
    source.answer = lambda *_: error("badArgument", "all")
    with pytest.raises(BadArgument):
        source.harvest("2024-05-12", "2024-05-13")


def test_a_longer_window_than_any_that_was_answered_is_not_empty_because_it_is_refused() -> None:
    """Some sources refuse long windows with badArgument. All records of such a window were lost."""
    source = Repository("2024-05-10", answer=bad_argument)
    source.harvest("2024-05-10", "2024-05-11")
    with pytest.raises(BadArgument):
        source.harvest("2024-06-01", "2024-07-01")


def test_an_empty_list_with_a_wrong_code_has_no_total_and_is_parsed_without_error() -> None:
    """Otherwise the total 0 proves that the window is complete, or the step split fails on the page."""
    source = Repository("2024-05-10", answer=cannot_disseminate)
    source.harvest("2024-05-10", "2024-05-11")
    part, client = window("2024-05-01", "2024-05-02"), oai_source(source.session)
    client.use_observations(source.observations)
    (page,) = client.pages(part)
    assert (page.count, page.total, page.next) == (0, None, None)
    assert b"cannotDisseminateFormat" in page.body
    assert list(client.records(page, part)) == []
    assert requests(client)[-1] == {"verb": "ListMetadataFormats"}

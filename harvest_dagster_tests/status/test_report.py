"""The report: its content, its escapes, and that it loads nothing. `browser/test_report.py` opens it in a browser."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone

from lxml import etree, html

from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.coverage.day_range import DayRange
from harvest_dagster.coverage.intervals import COMPLETE, FAILED, MISSING
from harvest_dagster.coverage.lag import LagHistogram
from harvest_dagster.coverage.source_status import SourceStatus
from harvest_dagster.coverage.sweep_status import SweepStatus
from harvest_dagster.rate_limits import Limit
from harvest_dagster.status.calendar import Calendar
from harvest_dagster.status.host_entries import HostEntry
from harvest_dagster.status.report import Report, SourceEntry, draw, render
from harvest_dagster.status.source_state import FailedHarvest, SourceState
from harvest_dagster.storage.deletions.absences import AbsenceCounts
from harvest_dagster.storage.sweeps import Findings, Sweep
from harvest_dagster.windows import whole_day

NOW = datetime(2024, 5, 15, 12, tzinfo=timezone.utc)
SWEEP = Sweep(
    id=1,
    ingest_config_id=1,
    run_id="run",
    run_began=NOW,
    expires=None,
    process=None,
    status="SUCCEEDED",
    date_started=NOW,
    date_completed=NOW,
    error=None,
    arguments_digest=None,
    windows=(),
    completeness="complete",
    evidence="total",
    doubt=None,
    lists_everything=True,
    pages=1,
    requests=1,
    bytes=1,
    seconds_waited=0.0,
    is_compared=True,
    findings=Findings(),
)
HOSTILE = "</td><script>alert(1)</script>\"'&<img src=x onerror=alert(2)>"


def state(
    label: str, *, days: int = 371, failed: bool = False, late: bool = False, **keys: object
) -> SourceState:
    """Return the state of a source that is complete up to so many days before now."""
    until = datetime(2024, 5, 15, tzinfo=timezone.utc) - timedelta(days=3 if late else 0)
    gaps = (DayRange(date(2024, 5, 12), date(2024, 5, 14)),) if late else ()
    status = SourceStatus(until - timedelta(days=days), until, until, NOW, gaps, (), None, is_late=late)
    failures = (FailedHarvest(whole_day(date(2024, 5, 14)), 2, NOW, f"no luck {HOSTILE}"),) if failed else ()
    states = (COMPLETE,) * (days - 1) + ((FAILED if failed else MISSING if late else COMPLETE),)
    config = IngestConfig.model_validate(
        {
            "label": label,
            "harvester": "oai",
            "harvester_kwargs": {"base_url": f"https://{label}.org/"},
            **keys,
        }
    )
    return SourceState(config, status, failed=failures, calendar=Calendar(date(2023, 5, 8), states))


def page(*states: SourceState, hosts: tuple[HostEntry, ...] = ()) -> str:
    return render(Report(NOW, tuple(SourceEntry(one, NOW) for one in states), hosts))


def cells(text: str, table: str = "sources") -> list[list[str]]:
    rows = html.fromstring(text).get_element_by_id(table).findall("tbody/tr")
    return [[" ".join(cell.text_content().split()) for cell in row] for row in rows]


def test_each_source_is_a_row_with_its_state_and_lag() -> None:
    """People who run hundreds of sources look for those that need them."""
    rows = cells(page(state("a", name="An archive"), state("b", late=True), state("c", failed=True)))
    assert [row[1:5] for row in rows] == [
        ["complete", "2024-05-15 00:00", "0.5", ""],
        ["incomplete", "2024-05-12 00:00", "3.5", "3"],
        ["failed", "2024-05-15 00:00", "0.5", ""],
    ]
    assert rows[0][0] == "a An archive"
    assert "no luck" in rows[2][0]


def test_texts_of_sources_cannot_break_the_page() -> None:
    """The name of a source and the error of a server are not ours."""
    text = page(state("a", name=HOSTILE), state("c", failed=True))
    document = html.fromstring(text)
    assert len(document.xpath("//script")) == 1
    assert not document.xpath("//img")
    assert not document.xpath("//@onerror")
    assert text.count("&lt;script&gt;") >= 2
    assert HOSTILE in document.text_content()


def test_the_page_loads_nothing() -> None:
    """It is sent by mail, and opened where there is no network."""
    text = page(state("a"))
    addresses = html.fromstring(text).xpath("//@src | //@href | //link/@href")
    assert addresses == ["data:,", "data:,"][: len(addresses)]
    assert not re.findall(r"url\(|@import|https?://(?!www\.w3\.org)", text)
    assert "default-src 'none'" in text


def test_the_calendar_has_words_for_readers_who_do_not_see_it() -> None:
    """A screen reader reads the numbers of days."""
    found = html.fromstring(page(state("a", failed=True))).xpath("//svg/@aria-label")
    assert found == ["370 days complete, proven, 1 days failed or cancelled"]


def test_the_drawing_has_each_day_once() -> None:
    """Weeks are columns, and equal neighbours are one rectangle."""
    drawn = dict(draw(Calendar(date(2024, 1, 1), (COMPLETE,) * 7 + (FAILED,) + (COMPLETE,) * 6)))
    assert drawn[FAILED] == "M10 0h9v9h-9z"
    assert drawn[COMPLETE].split("z")[:2] == ["M0 0h9v9h-9", "M0 10h19v9h-19"]


def test_each_host_shows_its_use_of_the_budget() -> None:
    """A host near its limit needs another schedule."""
    host = HostEntry("a.org", ("a", "b"), Limit(1, 3), 2880, 90.0, 4)
    assert cells(page(state("a"), hosts=(host,)), "hosts") == [
        ["a.org", "a, b", "1 request in 3 s", "2,880", "10.0", "90", "4 times"]
    ]


def test_five_hundred_sources_are_a_small_page() -> None:
    """A phone has to load it."""
    text = page(*(state(f"source_{number}", failed=number % 7 == 0) for number in range(500)))
    assert len(cells(text)) == 500
    assert len(text) < 2_000_000
    etree.fromstring(html.tostring(html.fromstring(text), method="xml"))


def test_a_source_shows_how_late_its_records_come() -> None:
    """People see there which source needs a longer `lookback`."""
    lags = LagHistogram({0: 900, 8: 100}, {0: 2000})
    ((cell, *_), (other, *_)) = cells(page(replace(state("a"), lags=lags), state("b")))
    assert "99 % within 8 days" in cell
    assert "`lookback: 8d`" in cell
    assert "records" not in other


def swept(label: str, *found: tuple[int, int, int], held: int = 0) -> SourceState:
    """Return the state of a source whose sweeps found so many missing, changed and gone records, the newest last."""
    recent = tuple(
        replace(
            SWEEP,
            date_started=NOW + number * timedelta(days=7),
            findings=Findings(0, 0, *counts, repaired=99),
        )
        for number, counts in enumerate(found)
    )
    one = state(label)
    status = SweepStatus(one.config, 1, recent[-1], counts=AbsenceCounts(held, held))
    return replace(one, sweep=status, recent_sweeps=recent)


def test_the_drift_of_a_source_is_plotted_and_in_words() -> None:
    """The numbers of one sweep do not show that a source drifts. A reader may not see the plot."""
    text = page(swept("a", (0, 0, 0), (1, 0, 0), (50, 40, 10)), swept("b", (0, 0, 0), held=3), state("c"))
    (plot,) = html.fromstring(text).xpath("//tr[1]//svg[@class='plot' and @role='img']")
    label = plot.get("aria-label")
    assert label.startswith("2024-05-29: 50 missing, 40 changed, 10 gone; 2024-05-22: 1 missing, 0 changed")
    paths = {one.get("class"): one.get("d") for one in plot.findall("path")}
    # 50 of 100 are half of the height, and the single missing record is still seen.
    assert paths["missing"] == "M10 39h9v1h-9zM20 22h9v18h-9z"
    assert paths["gone"].startswith("M20 ")
    rows = cells(text)
    assert [row[1] for row in rows] == ["complete", "differs", "complete"]
    assert "3 deletions are held" in rows[1][0]
    assert rows[1][-2] == "2024-05-15 12:00: complete"
    assert rows[2][-2] == ""

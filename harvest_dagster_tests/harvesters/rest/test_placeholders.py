"""The placeholders of a REST source: their values, their formats, and literal braces."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from harvest_dagster.harvesters.rest.placeholders import Values
from harvest_dagster.windows import Window, parse_instant
from harvest_dagster_tests.harvesters.rest.rest_sources import DATES, DAY, listed, pages, scripted

START, END = parse_instant("2024-01-31T01:02:03Z"), parse_instant("2024-02-01")
VALUES = Values(START, END, "second", token="7", is_number=True)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{from} {until}", "2024-01-31T01:02:03Z 2024-02-01T00:00:00Z"),
        ("{from:%m/%d/%Y}-{until:%Y%m%d%H%M%S}", "01/31/2024-20240201000000"),
        ("{from:epoch},{from:epoch_ms}", "1706662923,1706662923000"),
        ("100%{until:%d%%%m}", "100%01%02"),
        ("at {next}", "at 7"),
        ("{{from}} {{until:epoch}} {{next}}", "{from} {until:epoch} {next}"),
        ("x:{{from} TO {until}}", "x:{2024-01-31T01:02:03Z TO 2024-02-01T00:00:00Z}"),
        ("{!tag=a}{ from } {From} {form} {} }{", "{!tag=a}{ from } {From} {form} {} }{"),
        ("query { works { id pageInfo{end} } }", "query { works { id pageInfo{end} } }"),
    ],
)
def test_only_placeholders_are_replaced(text: str, filled: str) -> None:
    """Lucene, Solr and GraphQL use braces, and each API has its own format of dates."""
    assert VALUES.fill(text) == filled


@pytest.mark.parametrize(
    ("values", "filled"),
    [
        (VALUES, {"page": {"at": 7, "text": "from 7"}, "all": [7, 1, None, True], "{next}": 1.5}),
        (
            Values(START, END, "second", "7"),
            {"page": {"at": "7", "text": "from 7"}, "all": ["7", 1, None, True], "{next}": 1.5},
        ),
        (
            Values(START, END, "second"),
            {"page": {"text": "from "}, "all": [1, None, True], "{next}": 1.5},
        ),
    ],
)
def test_next_alone_is_a_number_a_text_or_left_out(values: Values, filled: Any) -> None:
    """JSON APIs refuse an offset in quotes, and a cursor that is empty."""
    body = {"page": {"at": "{next}", "text": "from {next}"}, "all": ["{next}", 1, None, True], "{next}": 1.5}
    assert values.fill_json(body) == filled


def test_days_in_another_format_are_requested() -> None:
    """NIH RePORTER reads 01/02/2024 and refuses 2024-01-02."""
    params = {"year": "{from:%Y}", "month": "{from:%m}", "day": "{from:%d}", "before": "{until:%b %d, %Y}"}
    source = scripted(listed("a"), params=params)
    pages(source)
    _, sent = source.session.asked[0]
    assert sent == {"year": "2024", "month": "01", "day": "01", "before": "Jan 01, 2024"}


@pytest.mark.parametrize(("until", "last"), [("exclusive", 86400), ("inclusive", 86400)])
def test_seconds_since_1970_are_requested(until: str, last: int) -> None:
    """An inclusive `until` asks for one second more, because datestamps may be more precise."""
    params = {"since": "{from:epoch}", "before": "{until:epoch_ms}"}
    source = scripted(listed("a"), params=params, granularity="second", until=until)
    pages(source, Window(DAY.start, DAY.start + timedelta(days=1)))
    _, sent = source.session.asked[0]
    start = int(DAY.start.timestamp())
    assert sent == {"since": str(start - 1), "before": str((start + last) * 1000)}


def test_the_link_to_the_next_page_hides_a_formatted_date() -> None:
    """The value of each parameter of ours is replaced by its name, whatever its format is."""
    link = "https://api.test/works?since=01%2F01%2F2024&before=2024-01-01&page=2"
    source = scripted(
        listed("a", next=link),
        listed("b"),
        params={**DATES, "since": "{from:%m/%d/%Y}"},
        next={"by": "link", "path": "next"},
    )
    first, _ = pages(source)
    assert first.next is not None
    assert first.next.token == "https://api.test/works?since=%7Bsince%7D&before=%7Bbefore%7D&page=2"
    assert source.session.asked[1][0] == link

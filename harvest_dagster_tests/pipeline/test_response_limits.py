"""`limits` of a source reach the place where they apply, and each error names the key that raises the limit."""

from __future__ import annotations

from dataclasses import fields
from datetime import date

import pytest

from harvest_dagster.catalog.schema import Limits
from harvest_dagster.errors import SourceError
from harvest_dagster.pipeline.context import RunOutcome
from harvest_dagster.records import Cursor, Page, Request
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster.testing.simulator import Repository
from harvest_dagster.windows import whole_day
from harvest_dagster_tests.pipeline.served import harvest_window, serving
from harvest_dagster_tests.pipeline.world import World

REPOSITORY = Repository(first_day=date(2024, 4, 30), days=1, records_per_day=9, page_size=5)
DAY = whole_day(date(2024, 4, 30))
JSON = {"records": "items", "identifier": "id", "datestamp": "updated"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("received_bytes", "1500B"),
        ("response_bytes", "1500B"),
        ("xml_nodes", 30),
        ("xml_attributes", 1),
        ("xml_page_attributes", 10),
    ],
)
def test_a_page_beyond_a_limit_fails_with_its_key_and_passes_with_a_higher_limit(
    small_world: World, key: str, value: object
) -> None:
    """The limits were constants: a source with larger pages could not be harvested at all."""
    with serving(small_world, REPOSITORY):
        small_world.change(limits={key: value})
        limit = getattr(small_world.config.limits, key)
        with pytest.raises(
            SourceError, match=rf"limits\.{key} is {limit}.*raise `limits: {{{key}: …}}`"
        ) as caught:
            harvest_window(small_world, "run 1", DAY)
        assert not caught.value.transient
        small_world.outcomes["run 1"] = RunOutcome("FAILED", "its run failed")
        small_world.change(limits={})
        log = harvest_window(small_world, "run 2", DAY)
    assert (log.status, log.counts.records) == ("SUCCEEDED", 9)


def test_a_long_token_breaks_its_list_and_the_reason_names_the_key(small_world: World) -> None:
    """Shorter lists need no token. The warning tells why they were requested."""
    with serving(small_world, REPOSITORY):
        small_world.change(limits={"token_length": 3})
        log = harvest_window(small_world, "run 1", DAY)
    assert log.counts.records == 9
    (line,) = [line for line in small_world.log_lines if "Recovery" in line]
    assert "limits.token_length is 3" in line
    assert "raise `limits: {token_length: …}`" in line


@pytest.mark.parametrize(
    ("harvester", "kwargs", "body", "key"),
    [
        ("oai", {}, b"<a><b/><c/></a>", "xml_nodes"),
        (
            "json",
            {
                **JSON,
                "params": {"from": "{from}", "until": "{until}"},
                "next": {"by": "page", "param": "page"},
            },
            b'{"items": [1, 2, 3]}',
            "json_values",
        ),
    ],
)
def test_the_parser_of_stored_pages_has_the_same_limits(
    small_world: World, harvester: str, kwargs: dict[str, object], body: bytes, key: str
) -> None:
    """It parses pages of the spool in another process, which would otherwise refuse what the client accepted."""
    url = "https://source.example/"
    small_world.change(harvester=harvester, harvester_kwargs={"base_url": url, **kwargs}, limits={key: 2})
    now = small_world.clock()
    page = Page(body, Request(url), 200, now, Cursor(), None, count=1)
    with pytest.raises(SourceError, match=rf"limits\.{key} is 2"):
        list(small_world.harvest().source.parser.records(page, DAY))


def test_a_long_log_line_loses_its_middle_and_names_the_key(small_world: World) -> None:
    """A token of 3 MB wrote 27 MB of log."""
    small_world.change(limits={"log_line": 200})
    small_world.harvest().logger.warning(f"first {'x' * 3_000_000} last")
    (line,) = small_world.log_lines
    assert line.startswith("first x")
    assert line.endswith("x last")
    assert "limits.log_line is 200" in line
    assert len(line) < 300


def test_the_yaml_has_each_limit_with_its_default() -> None:
    """A limit without a key could not be raised, and an error would name a key that does not exist."""
    assert dict(Limits()) == {each.name: each.default for each in fields(ResponseLimits)}

"""Scenarios: the meaning of texts and files, and the errors for invalid ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster.testing.simulator.behaviours import HtmlPage, TruncatedBody
from harvest_dagster.testing.simulator.behaviours.delivery.http_errors import RateLimit, RetryAfterResponse
from harvest_dagster.testing.simulator.behaviours.delivery.redirects import Redirect
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.errors import ScenarioError
from harvest_dagster_tests.testing.simulator.raw_client import get, list_pages


@pytest.fixture(scope="module")
def requests():
    """1 Identify, 2 to 4 pages of ListRecords, 5 to 7 pages of the JSON list."""
    with Server(Repository(days=1, records_per_day=15, page_size=5)) as server:
        get(f"{server.url}?verb=Identify")
        for protocol in ("oai", "json"):
            list(list_pages(server, protocol))
    return server.requests


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7]),
        ("Identify", [1]),
        ("ListRecords", [2, 3, 4]),
        ("records", [5, 6, 7]),
        ("list", [2, 3, 4, 5, 6, 7]),
        ("#3", [3]),
        ("#3-", [3, 4, 5, 6, 7]),
        ("#3-5", [3, 4, 5]),
        ("#*3", [3, 6]),
        ("list#2", [3]),
        ("list#*2", [3, 5, 7]),
        ("records#2-", [6, 7]),
        ("page=2", [3, 6]),
        ("page=2-", [3, 4, 6, 7]),
        ("page=*3", [4, 7]),
        ("token", [3, 4, 6, 7]),
        ("!token", [1, 2, 5]),
        ("!token,list", [2, 5]),
        ("path=/api/*", [5, 6, 7]),
        ('path="/oai"', [1, 2, 3, 4]),
        ("token=nothing*", []),
        ("chance=1", [1, 2, 3, 4, 5, 6, 7]),
        ("chance=0/3", []),
    ],
)
def test_conditions_select_these_requests(requests, text, numbers) -> None:
    condition = scenario.parse_condition(text)
    assert [request.number for request in requests if condition(request)] == numbers


def test_settings_are_parsed() -> None:
    cut = scenario.parse_behaviour("cut:length=12@list#2")
    assert (type(cut), cut.length, cut.announced, cut.label) == (TruncatedBody, 12, True, "cut")
    busy = scenario.parse_behaviour("busy-date:status=429, seconds=2")
    assert (type(busy), busy.status, busy.form, busy.seconds) == (RetryAfterResponse, 429, "date", 2)
    limit = scenario.parse_behaviour("rate-limit:period=0.5,announce=RateLimit")
    assert (type(limit), limit.period, limit.announce) == (RateLimit, 0.5, "RateLimit")
    other = scenario.parse_behaviour('redirect-file@token=",@"')
    assert type(other) is Redirect


def test_values_with_commas_are_quoted() -> None:
    """A date in Retry-After contains a comma."""
    text = 'retry-after-always:value="Sun, 06 Nov 1994 08:49:37 GMT"@!token'
    assert scenario.parse_behaviour(text).value == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_each_behaviour_can_be_created_from_its_name() -> None:
    for name, entry in REGISTRY.items():
        assert scenario.parse_behaviour(name).label == name
        assert scenario.for_conformance(entry).label == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cutt", "there is no behaviour 'cutt'; did you mean cut"),
        ("zzz", "--help lists all behaviours"),
        ("cut:size=3", "cut has no setting 'size'; allowed: length"),
        ("html-login:page=login", "html-login has no setting 'page'; allowed: status"),
        ("stall:x=1", "allowed: none"),
        ("cut:length=many", "length of cut cannot be 'many'; allowed: int"),
        ("cut-after-record:announced=perhaps", "allowed: bool"),
        ("rate-limit:announce=Rate", "allowed: '' or 'RateLimit' or 'X-Rate-Limit'"),
        ("cut@ListRecord#3", "'ListRecord#3' is not a condition; allowed: Identify, "),
        ("cut@#0", "'#0' is not a condition"),
        ("cut@chance=2", "'chance=2' is not a condition"),
    ],
)
def test_an_error_names_the_problem_and_the_allowed_values(text, problem) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.parse_behaviour(text)
    assert problem in str(caught.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.parse_behaviours(["cut:length=x@never", "html-maintenance", "nothing"])
    assert len(caught.value.problems) == 3
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "--behaviour cut:length=x@never",
        "--behaviour cut:length=x@never",
        "--behaviour nothing",
    ]


def write(folder: Path, text: str) -> Path:
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_gives_its_behaviours_in_order(tmp_path) -> None:
    text = """
    behaviours:
      - cut:length=7@list#2
      - html-maintenance: {status: 503}
        when: Identify
      - cut-after-record: {announced: true}
      - silence:
    """
    cut, html, cut_after_record, silence = scenario.load(write(tmp_path, text))
    assert (cut.length, html.status, cut_after_record.announced, silence.label) == (7, 503, True, "silence")
    assert isinstance(html, HtmlPage)


def test_a_file_can_be_json(tmp_path) -> None:
    file = write(tmp_path, json.dumps({"behaviours": [{"cut": {"length": 7}, "when": "#3"}]}))
    assert scenario.load(file)[0].length == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("behaviours: [cut, cutt]", "behaviours[1]: there is no behaviour 'cutt'"),
        ("behaviours: [3]", "behaviours[0]: use a text, or a mapping"),
        ("behaviours: [{cut: {}, gone: {}}]", "behaviours[0]: use one name"),
        ("behaviours: [{cut: 3}]", "behaviours[0]: use one name"),
        ("behaviours:\n  - cut: {}\n    when: #3", "behaviours[0]: `when` must be a text; put it in quotes"),
        ("behaviours: []\nother: 1", "the only allowed key is `behaviours`"),
        ("- cut", "the only allowed key is `behaviours`"),
        ("{", "scenario.yaml: while parsing"),
    ],
)
def test_an_error_in_a_file_names_the_file_and_the_place(tmp_path, text, problem) -> None:
    """`when: #3` is a comment in YAML. Without the error, the behaviour would apply to every request."""
    with pytest.raises(ScenarioError) as caught:
        scenario.load(write(tmp_path, text))
    assert str(tmp_path / "scenario.yaml") in str(caught.value)
    assert problem in str(caught.value)

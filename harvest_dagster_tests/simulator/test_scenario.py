"""Scenarios: what text means, and what is said of text that means nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvest_dagster.simulator import Repository, Server, scenario
from harvest_dagster.simulator.behaviours import Cut, Html
from harvest_dagster.simulator.behaviours.journeys import Redirect
from harvest_dagster.simulator.behaviours.refusals import Busy, RateLimit
from harvest_dagster.simulator.errors import ScenarioError
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster_tests.simulator.raw import get, walk


@pytest.fixture(scope="module")
def requests():
    """1 Identify, 2 to 4 pages of ListRecords, 5 to 7 pages of the JSON list."""
    with Server(Repository(days=1, records_per_day=15, page_size=5)) as server:
        get(f"{server.url}?verb=Identify")
        for protocol in ("oai", "json"):
            list(walk(server, protocol))
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
def test_conditions_meet_these_requests(requests, text, numbers) -> None:
    met = scenario.condition(text)
    assert [request.number for request in requests if met(request)] == numbers


def test_settings_come_from_the_text() -> None:
    cut = scenario.behaviour("cut:length=12@list#2")
    assert (type(cut), cut.length, cut.announced, cut.label) == (Cut, 12, True, "cut")
    busy = scenario.behaviour("busy-date:status=429, seconds=2")
    assert (type(busy), busy.status, busy.form, busy.seconds) == (Busy, 429, "date", 2)
    limit = scenario.behaviour("rate-limit:period=0.5,announce=RateLimit")
    assert (type(limit), limit.period, limit.announce) == (RateLimit, 0.5, "RateLimit")
    other = scenario.behaviour('redirect-file@token=",@"')
    assert type(other) is Redirect


def test_values_with_commas_stand_in_quotes() -> None:
    """Retry-After as a date has one."""
    text = 'retry-after-always:value="Sun, 06 Nov 1994 08:49:37 GMT"@!token'
    assert scenario.behaviour(text).value == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_each_behaviour_can_be_asked_by_its_name_alone() -> None:
    for name, named in REGISTRY.items():
        assert scenario.behaviour(name).label == name
        assert scenario.asked(named).label == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("cutt", "there is no behaviour 'cutt'; did you mean cut"),
        ("zzz", "--help lists all of them"),
        ("cut:size=3", "cut has no setting 'size'; allowed: length"),
        ("html-login:page=login", "html-login has no setting 'page'; allowed: status"),
        ("stall:x=1", "allowed: none"),
        ("cut:length=many", "length of cut cannot be 'many'; allowed: int"),
        ("cut-after-record:announced=perhaps", "allowed: bool"),
        ("rate-limit:announce=Rate", "allowed: '' or 'RateLimit' or 'X-Rate-Limit'"),
        ("cut@ListRecord#3", "'ListRecord#3' is no condition; allowed: Identify, "),
        ("cut@#0", "'#0' is no condition"),
        ("cut@chance=2", "'chance=2' is no condition"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_allowed(text, problem) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.behaviour(text)
    assert problem in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario.behaviours(["cut:length=x@never", "html-maintenance", "nothing"])
    assert len(caught.value.problems) == 3
    assert [problem.partition(": ")[0] for problem in caught.value.problems] == [
        "--behaviour cut:length=x@never",
        "--behaviour cut:length=x@never",
        "--behaviour nothing",
    ]


def written(folder: Path, text: str) -> Path:
    file = folder / "scenario.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_file_holds_them_in_order(tmp_path) -> None:
    text = """
    behaviours:
      - cut:length=7@list#2
      - html-maintenance: {status: 503}
        when: Identify
      - cut-after-record: {announced: true}
      - silence:
    """
    cut, html, after, silence = scenario.load(written(tmp_path, text))
    assert (cut.length, html.status, after.announced, silence.label) == (7, 503, True, "silence")
    assert isinstance(html, Html)


def test_json_is_a_scenario_too(tmp_path) -> None:
    file = written(tmp_path, json.dumps({"behaviours": [{"cut": {"length": 7}, "when": "#3"}]}))
    assert scenario.load(file)[0].length == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("behaviours: [cut, cutt]", "behaviours[1]: there is no behaviour 'cutt'"),
        ("behaviours: [3]", "behaviours[0]: allowed is a text, or a mapping"),
        ("behaviours: [{cut: {}, gone: {}}]", "behaviours[0]: allowed is one name"),
        ("behaviours: [{cut: 3}]", "behaviours[0]: allowed is one name"),
        ("behaviours:\n  - cut: {}\n    when: #3", "behaviours[0]: `when` is a text; one that begins with #"),
        ("behaviours: []\nother: 1", "allowed is one key, `behaviours`"),
        ("- cut", "allowed is one key, `behaviours`"),
        ("{", "scenario.yaml: while parsing"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_place(tmp_path, text, problem) -> None:
    """`when: #3` is a comment in YAML: it would mean every request, and nobody would see why."""
    with pytest.raises(ScenarioError) as caught:
        scenario.load(written(tmp_path, text))
    assert str(tmp_path / "scenario.yaml") in str(caught.value)
    assert problem in str(caught.value)

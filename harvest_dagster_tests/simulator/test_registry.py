"""The registry: each name works under its own settings, and help and documentation are made from it."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

from harvest_dagster import simulator
from harvest_dagster.simulator import Repository, Server, scenario, table
from harvest_dagster.simulator.behaviours.base import Named
from harvest_dagster.simulator.registry import KINDS, REGISTRY
from harvest_dagster_tests.simulator.raw import address, get, leave, walk

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)
ROOT = Path(__file__).parents[2]
# Less of what costs time, and none that depends on how fast this machine is.
EASIER = {
    "drip": {"piece": 4000, "pause": 0.0},
    "gzip-bomb": {"megabytes": 1},
    "giant-page": {"megabytes": 1},
    "rate-limit": {"period": 3600.0},
}
NEVER_ANSWERED = {"stall", "silence"}


def acts(entry: Named, protocol: str) -> bool:
    """Whether a list, its second page once more and an empty list meet it."""
    behaviour = scenario.asked(entry, **EASIER.get(entry.name, {}))
    with Server(REPOSITORY, behaviours=[behaviour]) as server:
        if entry.name in NEVER_ANSWERED:
            first = get(address(server, protocol))
            leave(server, address(server, protocol, first.token))
        else:
            first, *_ = walk(server, protocol)
            get(address(server, protocol, first.token))
            get(address(server, protocol, until="1990-01-01"))
    return any(entry.name in request.behaviours for request in server.requests)


@pytest.mark.parametrize("kind", KINDS)
def test_each_behaviour_acts_where_the_conformance_suite_asks_it(kind) -> None:
    """A behaviour that never acts proves nothing, and shows green."""
    idle = [
        (entry.name, protocol)
        for entry in KINDS[kind]
        for protocol in entry.protocols
        if not acts(entry, protocol)
    ]
    assert idle == []


def test_names_are_unique_and_of_one_form() -> None:
    """They stand in scenarios: a name twice would hide a behaviour."""
    names = [entry.name for entries in KINDS.values() for entry in entries]
    assert sorted(names) == sorted(REGISTRY)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_each_entry_says_what_it_does_and_what_it_proves() -> None:
    for entry in REGISTRY.values():
        assert entry.about
        assert entry.proves
        assert all(parameter.meaning for parameter in entry.parameters)
        assert all(
            not parameter.choices or parameter.default in parameter.choices for parameter in entry.parameters
        )
        assert set(entry.protocols) <= {"oai", "json"}


def test_a_setting_that_a_behaviour_does_not_have_is_refused() -> None:
    """Also one that belongs to its name: `html-login:page=maintenance` would lie in the log."""
    with pytest.raises(TypeError, match="html-login has no setting page"):
        REGISTRY["html-login"](page="maintenance")


def test_the_documentation_is_up_to_date() -> None:
    """`python -m harvest_dagster.simulator.table` writes it."""
    assert (ROOT / table.FILE).read_text(encoding="utf-8") == table.markdown()


def test_the_example_of_the_package_runs() -> None:
    """It is what people copy."""
    results = doctest.testmod(simulator)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("file", ["README.md", str(table.FILE)])
def test_what_people_are_shown_can_be_typed(file) -> None:
    shown = re.findall(r"--behaviour '?([^\s'`]+)", (ROOT / file).read_text(encoding="utf-8"))
    assert len(shown) == 2
    assert [scenario.behaviour(text).label for text in shown] == ["cut", "busy-date"]


@pytest.mark.parametrize("width", [60, 100])
def test_the_table_fits_a_terminal(width) -> None:
    lines = table.text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert {line.split()[0] for line in lines if re.match("  [a-z]", line)} == set(REGISTRY)

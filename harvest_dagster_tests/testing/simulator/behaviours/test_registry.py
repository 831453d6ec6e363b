"""The registry: every behaviour has an effect; help and documentation are generated from it."""

from __future__ import annotations

import doctest
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harvest_dagster.testing import simulator
from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster.testing.simulator.behaviours import documentation
from harvest_dagster.testing.simulator.behaviours.base import Contract, NamedBehaviour
from harvest_dagster.testing.simulator.behaviours.registry import GROUPS, REGISTRY
from harvest_dagster_tests.testing.simulator.raw_client import (
    get,
    list_pages,
    list_url,
    request_and_disconnect,
)

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)
ROOT = Path(__file__).parents[4]
# Settings that make the behaviours fast and independent of the speed of the machine.
FASTER = {
    "drip": {"piece": 4000, "pause": 0.0},
    "gzip-bomb": {"megabytes": 1},
    "giant-page": {"megabytes": 1},
    "rate-limit": {"period": 3600.0},
    "published-late": {"days": 36_500.0},  # later than the clock of the machine
}
NEVER_RESPOND = {"stall", "silence"}


def has_effect(entry: NamedBehaviour, protocol: str) -> bool:
    """Return True if it changes a response: to a list, to its second page again, or to an empty one."""
    behaviour = scenario.for_conformance(entry, **FASTER.get(entry.name, {}))
    # Some of these behaviours concern deleted records.
    repository = replace(REPOSITORY, deleted=0.5) if entry.contract is Contract.CONVERGES else REPOSITORY
    with Server(repository, behaviours=[behaviour]) as server:
        if entry.name in NEVER_RESPOND:
            first = get(list_url(server, protocol))
            request_and_disconnect(server, list_url(server, protocol, first.token))
        else:
            first, *_ = list_pages(server, protocol)
            get(list_url(server, protocol, first.token))
            get(list_url(server, protocol, until="1990-01-01"))
            get(list_url(server, protocol, **{"from": "1990-01-01", "until": "1990-01-01"}))
    return any(entry.name in request.behaviours for request in server.requests)


@pytest.mark.parametrize("group", GROUPS)
def test_each_behaviour_has_an_effect_under_the_condition_of_the_conformance_suite(group) -> None:
    """A behaviour without an effect proves nothing, and its test passes."""
    without_effect = [
        (entry.name, protocol)
        for entry in GROUPS[group]
        for protocol in ("oai", "json")
        if entry.applies_to(protocol) and not has_effect(entry, protocol)
    ]
    assert without_effect == []


def test_names_are_unique_and_have_one_form() -> None:
    """Scenarios use the names. A duplicate name would hide a behaviour."""
    names = [entry.name for entries in GROUPS.values() for entry in entries]
    assert sorted(names) == sorted(REGISTRY)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)


def test_each_entry_describes_the_source_and_the_duty_of_a_harvester() -> None:
    for entry in REGISTRY.values():
        assert re.match(r"The (server|page|last page) .*\.$", entry.description), entry.name
        assert re.match(r"A harvester (must|cannot) .*\.$", entry.requirement), entry.name
        assert all(parameter.meaning for parameter in entry.parameters)
        assert all(
            not parameter.choices or parameter.default in parameter.choices for parameter in entry.parameters
        )
        assert set(entry.protocols) <= {"oai", "json", "any other"}


def test_an_unknown_setting_is_refused() -> None:
    """A setting that the name fixes is refused too: the log would show `html-login` for a maintenance page."""
    with pytest.raises(TypeError, match="html-login has no setting page"):
        REGISTRY["html-login"](page="maintenance")


def test_the_documentation_is_up_to_date() -> None:
    """Run `python -m harvest_dagster.testing.simulator.behaviours.documentation` to write the file."""
    assert (ROOT / documentation.FILE).read_text(encoding="utf-8") == documentation.markdown()


def test_the_example_of_the_package_works() -> None:
    """Users copy it."""
    results = doctest.testmod(simulator)
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("file", ["README.md", str(documentation.FILE)])
def test_the_behaviours_in_the_documentation_are_valid(file) -> None:
    texts = re.findall(r"--behaviour '?([^\s'`]+)", (ROOT / file).read_text(encoding="utf-8"))
    assert len(texts) == 2
    assert [scenario.parse_behaviour(text).label for text in texts] == ["cut", "busy-date"]


@pytest.mark.parametrize("width", [60, 100])
def test_the_table_fits_a_terminal(width) -> None:
    lines = documentation.text(width).splitlines()
    assert max(map(len, lines)) <= width
    assert {line.split()[0] for line in lines if re.match("  [a-z]", line)} == set(REGISTRY)

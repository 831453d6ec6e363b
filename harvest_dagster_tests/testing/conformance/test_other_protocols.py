"""The suite tests harvesters of any protocol: a plug-in brings a renderer for the simulator's records."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from harvest_dagster import plugins
from harvest_dagster.testing.conformance.__main__ import main
from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite
from harvest_dagster.testing.simulator import ListQuery, RecordContent, RenderedList, Renderer
from harvest_dagster.testing.simulator.behaviours.base import Contract
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster.testing.simulator.protocols.renderer import FEATURES
from harvest_dagster_tests.test_readme import marked

SRU = "harvest_dagster_tests.testing.conformance.sru_protocol"
TESTED = HarvesterUnderTest(f"{SRU}:Sru", {"url": "{list_url}"}, f"{SRU}:SruRenderer")


@pytest.fixture(autouse=True)
def _restore_plugins() -> Iterator[None]:
    yield
    plugins.clear_cache()


class EmptyRenderer(Renderer):
    """A protocol with all features, for the list of behaviours."""

    def query(self, arguments: Mapping[str, str]) -> ListQuery:  # noqa: ARG002
        return ListQuery()

    def record(self, record: RecordContent) -> str:
        return record.identifier

    def page(self, content: RenderedList) -> str:  # noqa: ARG002
        return ""


class WithoutFeatures(EmptyRenderer):
    features = frozenset()


def names(renderer: str) -> set[str]:
    tested = HarvesterUnderTest("x:Y", {"url": "{list_url}"}, f"{__name__}:{renderer}")
    return {entry.name for entry in applicable_behaviours(tested)}


def test_a_harvester_that_counts_records_meets_the_contracts() -> None:
    """SRU has no token: a client counts, so conditions on pages must work without tokens."""
    results = list(run_suite(TESTED, ["cut", "cap", "html-maintenance", "list-shrinks", "too-many-413"]))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert [each.name for each in results if each.requests > 5] != []
    assert len(results) == 6


@pytest.mark.slow
def test_it_meets_the_contracts_of_all_behaviours_that_its_protocol_can_show() -> None:
    """A behaviour that a renderer cannot show must not be in the list: its trial would prove nothing."""
    results = list(run_suite(TESTED, jobs=3))
    assert [(each.name, each.faults, each.error) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(TESTED))


def test_behaviours_declare_what_a_protocol_needs_to_show_them() -> None:
    """Without the declarations, someone would have to keep a list for each protocol."""
    every, bare = names("EmptyRenderer"), names("WithoutFeatures")
    assert {"cut", "busy-date", "gzip", "list-shrinks", "redirect-loop"} <= bare
    assert every - bare == {
        name for name, entry in REGISTRY.items() if entry.needs and "any other" in entry.protocols
    }
    assert {"token-circle", "total-zero", "too-many-413"} <= every - bare
    assert not every & {"wrong-verb", "errors-422", "token-stays", "record-entity"}
    assert all(set(entry.needs) <= set(FEATURES) for entry in REGISTRY.values())


def test_short_timeouts_are_used_only_where_a_failure_is_allowed() -> None:
    """A busy machine may exceed a short timeout. That must not look like a fault of the harvester."""
    waiting = [entry for entry in REGISTRY.values() if entry.never_answers]
    assert {entry.name for entry in waiting} == {"drip", "stall", "silence"}
    assert {entry.contract for entry in waiting} == {Contract.COMPLETE_OR_FAIL}


def command_for_the_feed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Return the arguments of the command in docs/plugins.md. Write the renderer of that guide into `folder`."""
    (folder / "feed_renderer.py").write_text(marked("docs/plugins.md", "feed_renderer.py")[0], "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "feed_renderer", raising=False)
    feed = "harvest_dagster_tests.testing.conformance.feed_protocol:Feed"
    plugins.register(plugins.HARVESTERS, "paged_feed", feed)
    (command,) = marked("docs/plugins.md", "conformance-feed")
    return shlex.split(command.replace("\\\n", " "))[3:]


def test_the_command_of_the_guide_tests_a_feed(monkeypatch, tmp_path, capsys) -> None:
    """Users copy the renderer of the guide. Its protocol has tokens and totals."""
    arguments = command_for_the_feed(monkeypatch, tmp_path)
    only = ("cap", "token-circle", "empty-page")
    assert main([*arguments, *(option for name in only for option in ("--only", name))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:-1]] == [["ok", name] for name in ("(none)", *only)]


@pytest.mark.slow
def test_a_feed_meets_the_contracts_of_all_behaviours_that_it_can_show(monkeypatch, tmp_path, capsys) -> None:
    """It has every feature, so every behaviour that has no protocol of its own is shown."""
    status = main([*command_for_the_feed(monkeypatch, tmp_path), "--jobs", "3"])
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "{list_url} needs a renderer"),
        (("--renderer", "nowhere:Renderer"), "nowhere:Renderer cannot be loaded"),
        (("--renderer", "json:JSONDecoder"), "json:JSONDecoder is not a renderer"),
    ],
)
def test_a_wrong_renderer_gives_an_error_and_status_2(capsys, options, message) -> None:
    """Status 1 would look like a failed trial."""
    assert main(["--harvester", "x:Y", "--argument", "url={list_url}", *options]) == 2
    assert message in capsys.readouterr().err

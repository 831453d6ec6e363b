"""The suite: our own harvesters meet all that is owed, bad ones are convicted by name."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvest_dagster import plugins
from harvest_dagster.conformance.__main__ import main
from harvest_dagster.conformance.subject import Subject
from harvest_dagster.conformance.suite import concerned, examine
from harvest_dagster.conformance.trial import Outcome
from harvest_dagster.conformance.verdicts import Stored, Verdict, judge
from harvest_dagster.simulator.behaviours.base import Demand
from harvest_dagster.simulator.behaviours.records import Flaw
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster_tests.test_readme import marked

BAD = "harvest_dagster_tests.conformance.bad"
A_FEW = ("cut", "empty-page", "token-circle", "record-bad-utf-8", "cap")


@pytest.fixture(autouse=True)
def _plugins_as_they_were() -> Iterator[None]:
    yield
    plugins.reload()


def faults(harvester: str, *only: str, deadline: float = 20.0) -> dict[str, str]:
    """What is held against a bad harvester."""
    subject = Subject(f"{BAD}:{harvester}", {"base_url": "{oai_url}"})
    return {each.name: "; ".join(each.faults) for each in examine(subject, only, deadline=deadline)}


@pytest.mark.parametrize("harvester", ["oai", "json"])
def test_our_harvesters_meet_the_commonest(harvester) -> None:
    """The rest is among the slow tests."""
    verdicts = list(examine(Subject(harvester), A_FEW))
    assert [(each.name, each.faults) for each in verdicts if each.faults] == []
    assert {each.name for each in verdicts} == {"(none)", *A_FEW}


@pytest.mark.slow
@pytest.mark.parametrize("harvester", ["oai", "json"])
def test_our_harvesters_meet_all_behaviours(harvester) -> None:
    """The README's promise: none of these is ever taken for the end, and nothing is lost under a success."""
    verdicts = list(examine(Subject(harvester), deadline=60.0, jobs=3))
    assert [(each.name, each.faults) for each in verdicts if each.faults] == []
    assert len(verdicts) == 1 + len(concerned(Subject(harvester)))


def test_a_careless_harvester_is_convicted_of_every_loss() -> None:
    """A check that cannot fail proves nothing: these are the faults of SHARE's harvester."""
    found = faults(
        "Careless", "empty-page", "cut-unannounced", "html-maintenance", "empty-body", "cap", "gzip"
    )
    assert {name for name, fault in found.items() if "LOST" in fault} == {
        "empty-page",
        "cut-unannounced",
        "html-maintenance",
        "empty-body",
        "cap",
    }
    assert found["empty-page"] == "LOST 32 of 40 records, and says success"
    assert (found["(none)"], found["gzip"]) == ("", "")


@pytest.mark.parametrize(
    ("harvester", "behaviour", "fault"),
    [
        ("Doubling", "gzip", "ALTERED 40 of 40"),
        ("Crashing", "gone", "crashed: KeyError is no HarvestError"),
        ("Terse", "gone", "failed unclearly"),
        ("Dropping", "record-bad-utf-8", "LOST 1 of 40"),
        ("Repairing", "record-bad-utf-8", "ALTERED 1 of 40"),
        ("Quitting", "datestamp-outside", "gave up where all could be had"),
    ],
)
def test_every_other_fault_is_named(harvester, behaviour, fault) -> None:
    """Each is one that users of such systems reported."""
    assert fault in faults(harvester, behaviour)[behaviour]


def test_one_that_stores_a_record_twice_is_convicted() -> None:
    """Even of a source that does nothing wrong, which is compared with itself."""
    assert faults("Twice", "gone") == {"(none)": "DOUBLED 40 of 40 records, and says success"}


def test_of_a_spoilt_record_nothing_else_is_forgiven() -> None:
    """One of any kind was: a harvester that lost another record, or set nothing aside, met all that is owed."""
    spoilt = Flaw("bad-utf-8", 3)
    (name,) = spoilt.fates
    truth = {f"oai:repository.example.org:{number:09d}": frozenset({str(number)}) for number in range(40)}
    others = {each: contents for each, contents in truth.items() if each != name}
    another = next(iter(others))

    def found(stored: Stored, set_aside: int = 1) -> tuple[str, ...]:
        outcome = Outcome(True, None, "complete", stored, set_aside, (), 1.0, 0)
        faults = judge("record-bad-utf-8", Demand.OTHERS, outcome, truth, spoilt).faults
        return tuple(fault.partition(" ")[0] for fault in faults)

    assert found(others) == ()
    assert found(others, set_aside=0) == ("LOST",)
    assert found({**truth, name: frozenset({"repaired"})}) == ("ALTERED",)
    lost = {each: contents for each, contents in truth.items() if each != another}
    assert found({**lost, name: frozenset({"repaired"})}) == ("LOST", "ALTERED")
    assert found({**others, another: frozenset({"another"})}) == ("ALTERED",)
    assert found({**others, another: truth[another] | {"another"}}) == ("DOUBLED",)
    assert found({**others, "oai:unknown": frozenset({"x"})}) == ("FOREIGN",)


def test_one_that_asks_too_often_is_convicted() -> None:
    """Even of a source that does nothing wrong; nothing more is then asked of it."""
    (only,) = faults("Hammering", "gone").values()
    assert only.endswith("; HAMMERED: more than 20 requests in 1 s")


def test_one_that_goes_round_the_session_is_convicted() -> None:
    """However politely: no budget, no timeout and no limit of size holds for it, and no other process knows."""
    (only,) = faults("Evading", "gone").values()
    assert re.fullmatch(r"goes ROUND THE SESSION: (\d+) requests arrived, and it sent \d+", only)


def test_one_that_stores_the_same_of_every_record_is_convicted() -> None:
    """It is compared with itself: forty records with the content `{}` were all that there was."""
    assert faults("Blank", "gone") == {
        "(none)": "EMPTY: 40 of 40 records have one content, and all are different"
    }


def test_one_that_hangs_is_left_behind() -> None:
    """Lesson 13. The suite itself must come to its end."""
    # Long enough for the harvest of the good source, which comes first, on a busy machine.
    assert "hung" in faults("Hanging", "gone", deadline=3.0)["gone"]


def test_a_protocol_is_known_by_the_url_that_is_asked_for() -> None:
    """What OAI-PMH alone can do is not held against a JSON API."""
    oai, api = Subject("oai"), Subject("x:Y", {"where": ["{json_url}"]})
    assert "wrong-verb" in {entry.name for entry in concerned(oai)}
    assert "wrong-verb" not in {entry.name for entry in concerned(api)}
    assert "token-stays" in {entry.name for entry in concerned(api)}
    assert len(concerned(oai)) > 80


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    said = capsys.readouterr()
    return status, said.out, said.err


def test_the_report_is_a_table_and_the_exit_status_the_verdict(capsys) -> None:
    """What people read, and what a pipeline of theirs goes by."""
    status, out, _ = printed(capsys, "--only", "cut")
    lines = out.splitlines()
    assert (status, len(lines)) == (0, 4)
    assert lines[2].startswith("ok   cut ")
    assert "40 records, complete" in lines[2]
    assert lines[3].startswith("oai: 2 behaviours, all met; ")
    bad = ("--harvester", f"{BAD}:Careless", "--argument", "base_url={oai_url}", "--only", "empty-body")
    status, out, _ = printed(capsys, *bad)
    assert status == 1
    assert "BAD  empty-body" in out
    assert "       LOST 32 of 40 records, and says success" in out.splitlines()
    assert f"{BAD}:Careless: 2 behaviours, 1 not met: empty-body; " in out


def test_the_report_for_machines(capsys) -> None:
    """One object, with all that the table has."""
    status, out, _ = printed(capsys, "--harvester", "json", "--only", "gone", "--json")
    report = json.loads(out)
    assert (status, report["harvester"], report["good"]) == (0, "json", True)
    none, gone = (Verdict(**each) for each in report["verdicts"])
    assert (none.text, none.requests) == ("40 records, complete", 5)
    assert (gone.text, gone.demand, gone.faults) == ("failed: HttpStatusError", "fails", [])
    assert "404" in gone.detail


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "cutt"), "no behaviour is called cutt"),
        (("--harvester", "oaj"), "no harvester is registered as 'oaj'; there are "),
        (("--harvester", "x:Y"), "{oai_url} or {json_url}"),
        (("--argument", "x"), "--argument takes NAME=VALUE, not 'x'"),
        (("--arguments", "not-there.yaml"), "not-there.yaml"),
    ],
)
def test_a_wrong_command_is_told_what_is_right(capsys, arguments, said) -> None:
    """Exit status 2, so that it is not taken for a verdict."""
    status, out, err = printed(capsys, *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_arguments_may_come_from_a_file(capsys, tmp_path) -> None:
    """A harvester of several arguments is told as in a source's YAML."""
    file = tmp_path / "arguments.yaml"
    file.write_text("base_url: '{oai_url}'\nset: [science, humanities]\n", encoding="utf-8")
    status, out, _ = printed(
        capsys, "--arguments", str(file), "--argument", "metadata_prefix=oai_dc", "--only", "gzip"
    )
    assert (status, out.count("40 records")) == (0, 2)


def test_the_list_tells_every_behaviour(capsys) -> None:
    status, out, _ = printed(capsys, "--list")
    assert status == 0
    told = {line.split()[0] for line in out.splitlines()}
    assert told == {name for name, entry in REGISTRY.items() if "oai" in entry.protocols}


@pytest.mark.slow
def test_the_command_ends_though_a_harvest_hangs() -> None:
    """A thread that never ends would keep the process."""
    options = ["--harvester", f"{BAD}:Hanging", "--argument", "base_url={oai_url}", "--only", "gone"]
    command: list[Any] = [sys.executable, "-m", "harvest_dagster.conformance", *options, "--deadline", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1, ended.stderr
    assert "hung: no end after " in ended.stdout


def guided(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """The command of the guide to plug-ins for the harvester of that guide, which lies in a folder."""
    (folder / "museum.py").write_text(marked("docs/plugins.md", "museum.py")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "museum", raising=False)
    plugins.use(plugins.HARVESTERS, "museum", "museum:Museum")  # as its entry point does
    (command,) = marked("docs/plugins.md", "conformance")
    _, _, module, *arguments = shlex.split(command)
    assert module == "harvest_dagster.conformance"
    return arguments


def test_the_command_of_the_guide_and_its_harvester(monkeypatch, tmp_path, capsys) -> None:
    """What people copy first; and a stranger's harvester is tested as ours are."""
    status, out, _ = printed(capsys, *guided(monkeypatch, tmp_path), "--only", "cut", "--only", "empty-page")
    assert (status, "museum: 3 behaviours, all met" in out) == (0, True), out


@pytest.mark.slow
def test_the_harvester_of_the_guide_meets_all_but_what_only_its_yaml_could_tell(
    monkeypatch, tmp_path, capsys
) -> None:
    """It knows one kind of API: a list that ends with an empty page is no list of the museum's."""
    status, out, _ = printed(capsys, *guided(monkeypatch, tmp_path), "--json")
    bad = [each["name"] for each in json.loads(out)["verdicts"] if each["faults"]]
    assert (status, bad) == (1, ["token-stays"])

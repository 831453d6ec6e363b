"""The suite: the harvesters of this package meet every contract; faulty harvesters fail with the right fault."""

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
from harvest_dagster.testing.conformance.__main__ import main
from harvest_dagster.testing.conformance.harvester_under_test import HarvesterUnderTest
from harvest_dagster.testing.conformance.results import ContractResult, StoredHashes, evaluate_trial
from harvest_dagster.testing.conformance.suite import applicable_behaviours, run_suite
from harvest_dagster.testing.conformance.trial import TrialResult
from harvest_dagster.testing.simulator.behaviours.base import Contract
from harvest_dagster.testing.simulator.behaviours.content.records import CorruptRecord
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.test_readme import marked

FAULTY = "harvest_dagster_tests.testing.conformance.faulty_harvesters"
A_FEW = ("cut", "empty-page", "token-circle", "record-bad-utf-8", "cap")


@pytest.fixture(autouse=True)
def _restore_plugins() -> Iterator[None]:
    yield
    plugins.clear_cache()


def faults(harvester: str, *only: str, deadline: float = 20.0) -> dict[str, str]:
    """Return the faults that the suite finds in a faulty harvester, by behaviour."""
    tested = HarvesterUnderTest(f"{FAULTY}:{harvester}", {"base_url": "{oai_url}"})
    return {each.name: "; ".join(each.faults) for each in run_suite(tested, only, deadline=deadline)}


@pytest.mark.parametrize("harvester", ["oai", "rest"])
def test_our_harvesters_meet_the_contracts_of_the_most_common_behaviours(harvester) -> None:
    """A slow test covers the other behaviours."""
    results = list(run_suite(HarvesterUnderTest(harvester), A_FEW))
    assert [(each.name, each.faults) for each in results if each.faults] == []
    assert {each.name for each in results} == {"(none)", *A_FEW}


@pytest.mark.slow
@pytest.mark.parametrize("harvester", ["oai", "rest"])
def test_our_harvesters_meet_the_contracts_of_all_behaviours(harvester) -> None:
    """No behaviour ends a list early, and no successful harvest loses records: the README promises this."""
    results = list(run_suite(HarvesterUnderTest(harvester), deadline=60.0, jobs=3))
    assert [(each.name, each.faults) for each in results if each.faults] == []
    assert len(results) == 1 + len(applicable_behaviours(HarvesterUnderTest(harvester)))


def test_every_loss_of_a_careless_harvester_is_detected() -> None:
    """A check that cannot fail proves nothing. SHARE's harvester had these faults."""
    found = faults(
        "LenientHarvester", "empty-page", "cut-unannounced", "html-maintenance", "empty-body", "cap", "gzip"
    )
    assert {name for name, fault in found.items() if "LOST" in fault} == {
        "empty-page",
        "cut-unannounced",
        "html-maintenance",
        "empty-body",
        "cap",
    }
    assert found["empty-page"] == "LOST 32 of 40 records, but the harvest reports success"
    assert (found["(none)"], found["gzip"]) == ("", "")


@pytest.mark.parametrize(
    ("harvester", "behaviour", "fault"),
    [
        ("UnstableBlobHarvester", "gzip", "ALTERED 40 of 40"),
        ("CrashingHarvester", "gone", "CRASHED: KeyError is not a HarvestError"),
        ("VagueErrorHarvester", "gone", "UNCLEAR: the error message does not say what to do"),
        ("DiscardingHarvester", "record-bad-utf-8", "MISCOUNTED"),
        ("InventingHarvester", "record-bad-utf-8", "ALTERED 1 of 40"),
        ("StrictDatestampHarvester", "datestamp-outside", "GAVE UP although every record was available"),
    ],
)
def test_every_other_fault_is_detected(harvester, behaviour, fault) -> None:
    """Users of harvesting systems reported each of these faults."""
    assert fault in faults(harvester, behaviour)[behaviour]


def test_a_list_of_identifiers_that_differs_from_the_records_is_detected() -> None:
    """A sweep would find these records missing and gone, again and again. The other trials would not show it."""
    found = faults("OtherHeaderHarvester", "gone")["(none)"].split("; ")
    assert [fault.partition(", such as")[0] for fault in found] == [
        "HEADERS: the list of identifiers lacks 4 of 40 records",
        "HEADERS: the list of identifiers has 4 that are no records",
        "HEADERS: 4 of 40 records have another datestamp there",
    ]
    assert "HEADERS: the list of identifiers failed: " in faults("FailingHeaderHarvester", "gone")["(none)"]


def test_duplicated_records_are_detected() -> None:
    """They are detected even in the reference trial, which is compared with itself."""
    assert faults("DuplicatingHarvester", "gone") == {
        "(none)": "DUPLICATED 40 of 40 records, but the harvest reports success"
    }


def test_only_the_corrupt_record_is_treated_leniently() -> None:
    """A harvester that lost another record, or quarantined nothing, met the contract before."""
    corruption = CorruptRecord("bad-utf-8", 3)
    (name,) = corruption.allowed_results
    expected = {f"oai:repository.example.org:{number:09d}": frozenset({str(number)}) for number in range(40)}
    others = {each: hashes for each, hashes in expected.items() if each != name}
    another = next(iter(others))

    def found(stored: StoredHashes, quarantined: int = 1) -> tuple[str, ...]:
        trial = TrialResult(True, None, "complete", stored, quarantined, (), 1.0, 0)
        faults = evaluate_trial(
            "record-bad-utf-8", Contract.OTHERS_OR_FAIL, trial, expected, corruption
        ).faults
        return tuple(fault.partition(" ")[0] for fault in faults)

    assert found(others) == ()
    assert found(others, quarantined=0) == ("LOST",)
    assert found({**expected, name: frozenset({"repaired"})}) == ("ALTERED",)
    lost = {each: hashes for each, hashes in expected.items() if each != another}
    assert found({**lost, name: frozenset({"repaired"})}) == ("LOST", "ALTERED")
    assert found({**others, another: frozenset({"another"})}) == ("ALTERED",)
    assert found({**others, another: expected[another] | {"another"}}) == ("DUPLICATED",)
    assert found({**others, "oai:unknown": frozenset({"x"})}) == ("UNKNOWN",)


def test_requests_that_are_too_fast_are_detected() -> None:
    """They are detected even in the reference trial. No further trial runs then."""
    (only,) = faults("FloodingHarvester", "gone").values()
    assert only.endswith("; TOO FAST: more than 20 requests in 1 s")


def test_requests_that_bypass_the_session_are_detected() -> None:
    """No budget, timeout or size limit applies to such a request, and no other process counts it."""
    (only,) = faults("SessionBypassingHarvester", "gone").values()
    assert re.fullmatch(r"BYPASSED THE SESSION: \d+ requests arrived, but the session sent \d+", only)


def test_identical_content_of_all_records_is_detected() -> None:
    """The reference trial is compared with itself: forty records with the content `{}` passed before."""
    assert faults("EmptyBlobHarvester", "gone") == {
        "(none)": "IDENTICAL: 40 of 40 records have the same content, but all records differ"
    }


def test_a_hanging_harvest_does_not_stop_the_suite() -> None:
    """The suite must end (docs/failures.md#running-forever)."""
    # Long enough for the reference trial, which runs first, on a busy machine.
    assert "HUNG" in faults("HangingHarvester", "gone", deadline=3.0)["gone"]


def test_the_url_in_the_arguments_determines_the_protocol() -> None:
    """Behaviours of OAI-PMH do not apply to a harvester of the JSON API."""
    oai, api = HarvesterUnderTest("oai"), HarvesterUnderTest("x:Y", {"where": ["{json_url}"]})
    assert "wrong-verb" in {entry.name for entry in applicable_behaviours(oai)}
    assert "wrong-verb" not in {entry.name for entry in applicable_behaviours(api)}
    assert "token-stays" in {entry.name for entry in applicable_behaviours(api)}
    assert len(applicable_behaviours(oai)) > 80


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    status = main(arguments)
    output = capsys.readouterr()
    return status, output.out, output.err


def test_the_report_is_a_table_and_the_exit_status_shows_whether_a_contract_is_broken(capsys) -> None:
    """People read the table, and a CI pipeline reads the exit status."""
    status, out, _ = printed(capsys, "--only", "cut")
    lines = out.splitlines()
    assert (status, len(lines)) == (0, 4)
    assert lines[2].startswith("ok   cut ")
    assert "40 records, complete" in lines[2]
    assert lines[3].startswith("oai: 2 trials, all contracts met; ")
    command = (
        "--harvester",
        f"{FAULTY}:LenientHarvester",
        "--argument",
        "base_url={oai_url}",
        "--only",
        "empty-body",
    )
    status, out, _ = printed(capsys, *command)
    assert status == 1
    assert "FAIL empty-body" in out
    assert "       LOST 32 of 40 records, but the harvest reports success" in out.splitlines()
    assert f"{FAULTY}:LenientHarvester: 2 trials, 1 failed: empty-body; " in out


def test_the_report_as_json(capsys) -> None:
    """The object contains everything that the table contains."""
    status, out, _ = printed(capsys, "--harvester", "rest", "--only", "gone", "--json")
    report = json.loads(out)
    assert (status, report["harvester"], report["good"]) == (0, "rest", True)
    none, gone = (ContractResult(**each) for each in report["verdicts"])
    assert (none.result, none.requests) == ("40 records, complete", 5)
    assert (gone.result, gone.contract, gone.faults) == ("failed: HttpStatusError", "failure", [])
    assert "404" in gone.error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--only", "cutt"), "there is no behaviour cutt"),
        (("--harvester", "oaj"), "no harvester is registered as 'oaj'; registered are "),
        (("--harvester", "x:Y"), "{oai_url} or {json_url}"),
        (("--argument", "x"), "--argument takes NAME=VALUE, not 'x'"),
        (("--arguments", "not-there.yaml"), "not-there.yaml"),
    ],
)
def test_a_wrong_command_gives_an_error_and_status_2(capsys, arguments, message) -> None:
    """Status 1 would look like a failed trial."""
    status, out, err = printed(capsys, *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_arguments_can_come_from_a_file(capsys, tmp_path) -> None:
    """The file has the same form as `harvester_kwargs` in the YAML of a source."""
    file = tmp_path / "arguments.yaml"
    file.write_text("base_url: '{oai_url}'\nset: [science, humanities]\n", encoding="utf-8")
    status, out, _ = printed(
        capsys, "--arguments", str(file), "--argument", "metadata_prefix=oai_dc", "--only", "gzip"
    )
    assert (status, out.count("40 records")) == (0, 2)


def test_list_shows_every_behaviour(capsys) -> None:
    status, out, _ = printed(capsys, "--list")
    assert status == 0
    names = {line.split()[0] for line in out.splitlines()}
    assert names == {
        name
        for name, entry in REGISTRY.items()
        if "oai" in entry.protocols and entry.contract is not Contract.CONVERGES
    }


@pytest.mark.slow
def test_the_command_ends_even_if_a_harvest_hangs() -> None:
    """A thread that never ends would keep the process alive."""
    options = [
        "--harvester",
        f"{FAULTY}:HangingHarvester",
        "--argument",
        "base_url={oai_url}",
        "--only",
        "gone",
    ]
    command: list[Any] = [sys.executable, "-m", "harvest_dagster.conformance", *options, "--deadline", "2"]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert completed.returncode == 1, completed.stderr
    assert "HUNG: the harvest did not end within " in completed.stdout


def command_of_the_guide(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Return the arguments of the command in docs/plugins.md. Write the harvester of that guide into `folder`."""
    (folder / "museum.py").write_text(marked("docs/plugins.md", "museum.py")[0], encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "museum", raising=False)
    plugins.register(plugins.HARVESTERS, "museum", "museum:Museum")  # like its entry point
    (command,) = marked("docs/plugins.md", "conformance")
    _, _, module, *arguments = shlex.split(command)
    assert module == "harvest_dagster.conformance"
    return arguments


def test_the_command_of_the_guide_works_with_its_harvester(monkeypatch, tmp_path, capsys) -> None:
    """Users copy the command. It must also test a harvester that is not part of this package."""
    status, out, _ = printed(
        capsys, *command_of_the_guide(monkeypatch, tmp_path), "--only", "cut", "--only", "empty-page"
    )
    assert (status, "museum: 3 trials, all contracts met" in out) == (0, True), out


@pytest.mark.slow
def test_the_harvester_of_the_guide_fails_only_where_its_yaml_would_have_to_differ(
    monkeypatch, tmp_path, capsys
) -> None:
    """It supports one kind of API: the lists of the museum end with a page that has no cursor, and with nothing else.

    A list with another end fails. If it succeeded, a broken list of the museum would succeed as well.
    """
    status, out, _ = printed(capsys, *command_of_the_guide(monkeypatch, tmp_path), "--json")
    faults = {each["name"]: each["faults"] for each in json.loads(out)["verdicts"] if each["faults"]}
    other_ends = ("404", "400", "204", "null", "repetition")
    assert (status, set(faults)) == (
        1,
        {"token-stays", "ends-without-list", *(f"ends-in-{end}" for end in other_ends)},
    )
    assert {len(found) for found in faults.values()} == {1}
    assert {found[0].partition(" although")[0] for found in faults.values()} == {"GAVE UP"}

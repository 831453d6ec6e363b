"""What Dagster's command line prints with the shipped dagster.yaml: numbers, warnings, and no traceback of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harvest_dagster
from harvest_dagster.testing.simulator import REGISTRY, Repository, Server, nth, scenario
from harvest_dagster.windows import DAY
from harvest_dagster_tests.end_to_end.deployment import Deployment

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
PACKAGE = Path(harvest_dagster.__file__).parent
REPOSITORY = Repository(days=3, records_per_day=6, page_size=4, deleted=0)
FIRST, LAST = (str(REPOSITORY.first_day + number * DAY) for number in (0, 2))
MATERIALIZE = ("asset", "materialize", "-m", "harvest_dagster.definitions", "--select", "raw/demo")


@pytest.fixture
def deployment(tmp_path: Path, database_url: str) -> Deployment:
    """A deployment with the shipped settings."""
    return Deployment(tmp_path, database_url, (PACKAGE / "demo" / "dagster.yaml").read_text())


def lines(printed: str) -> list[str]:
    """Return level and text of each line of a log."""
    found = re.findall(
        r"^[-0-9: +]{25} - dagster - (\w+) - \S+ - (?:[0-9a-f-]{36} - )(.*)$", printed, re.MULTILINE
    )
    return [f"{level} {text}" for level, text in found]


def test_a_materialization_prints_a_line_for_each_window_and_ends_with_the_line_of_the_run(
    deployment: Deployment,
) -> None:
    """The command printed ninety lines, and none of them said how many records it had harvested."""
    with Server(REPOSITORY) as source:
        deployment.source("demo", source.url, earliest_date=FIRST, max_window="2d")
        printed = deployment.dagster(*MATERIALIZE, "--partition-range", f"{FIRST}...{LAST}")
        again = deployment.dagster(*MATERIALIZE, "--partition-range", f"{FIRST}...{LAST}")
    *_, first, second, run = lines(printed)  # the first harvest of a source may report what it found
    counts = r"(\d+) records, \1 new, 0 changed, 0 deleted, \d pages, \d+ requests"
    numbers = rf"{counts}, \d+\.\d s; complete, evidence: total"
    assert re.search(rf"^INFO .* demo \[2024-03-01, 2024-03-03\): {numbers}$", first)
    assert re.search(rf"^INFO .* demo \[2024-03-03, 2024-03-04\): {numbers}$", second)
    assert re.search(rf"^INFO .* demo: 2 windows, {numbers}$", run)
    assert printed.rstrip().endswith("; complete, evidence: total")
    *_, nothing = lines(again)
    assert nothing.endswith("demo: nothing to do, the whole range is covered")


def test_the_job_ends_with_the_line_of_the_run(deployment: Deployment) -> None:
    """People who harvest parts of days read the same line."""
    with Server(REPOSITORY) as source:
        deployment.source("demo", source.url, earliest_date=FIRST)
        config = deployment.folder / "run.yaml"
        config.write_text(f"ingest_config: demo\nstart_date: {FIRST}T06:00\nend_date: {LAST}\n")
        job = ("job", "execute", "-m", "harvest_dagster.definitions", "-j", "harvest")
        printed = deployment.dagster(*job, "-c", str(config))
    assert re.search(r"demo: 1 window, \d+ records, .*; complete, evidence: total$", printed.rstrip())


def test_a_failed_window_prints_its_numbers_and_at_most_one_stack_trace(deployment: Deployment) -> None:
    """One error printed three traces of forty lines each, and the reason stood between them."""
    short = scenario.parse_behaviour("total-higher:by=9")
    with Server(REPOSITORY, behaviours=[short]) as source:
        deployment.source("demo", source.url, earliest_date=FIRST)
        with pytest.raises(AssertionError) as caught:
            deployment.dagster(*MATERIALIZE, "--partition", FIRST)
    printed = str(caught.value)
    assert (
        "harvest_dagster.HarvestFailed: IncompleteList: 6 of 15 records of [2024-03-01, 2024-03-02)"
        in printed
    )
    assert printed.count("Stack Trace") == 1
    assert f'File "{PACKAGE}' not in printed
    warnings = [line for line in lines(printed) if line.startswith("WARNING")]
    assert len(warnings) == sum("Recovery: " in line for line in warnings) > 0
    assert any(
        re.search(r"^INFO .* demo: 1 window, .*; 1 of 1 window failed$", line) for line in lines(printed)
    )


@pytest.mark.parametrize("kind", ["disabled", "missing secret"])
def test_a_refused_run_prints_its_reason_and_at_most_one_stack_trace(
    deployment: Deployment, kind: str
) -> None:
    """A mistake in the YAML looked like a defect of the program."""
    change = (
        {"disabled": True} if kind == "disabled" else {"arguments": {"metadata_prefix": "${NO_SUCH_NAME}"}}
    )
    deployment.source("demo", "http://127.0.0.1:9/oai", earliest_date=FIRST, **change)
    with pytest.raises(AssertionError) as caught:
        deployment.dagster(*MATERIALIZE, "--partition", FIRST)
    printed = str(caught.value)
    reason = "ConfigDisabled: demo is disabled" if kind == "disabled" else "MissingSecret: "
    assert reason in printed
    assert printed.count("Stack Trace") == 1
    assert f'File "{PACKAGE}' not in printed


def test_a_long_resumption_token_is_shortened_in_every_line(deployment: Deployment) -> None:
    """Each line about a page repeated a token of 400 characters."""
    # Only a wait of a second or more is reported.
    busy = REGISTRY["busy-seconds"](seconds=2, when=nth(2, "ListRecords"))
    with Server(REPOSITORY, behaviours=[busy]) as source:
        deployment.source("demo", source.url, earliest_date=FIRST)
        printed = deployment.dagster(*MATERIALIZE, "--partition-range", f"{FIRST}...{LAST}")
    (wait,) = [line for line in lines(printed) if line.startswith("WARNING")]
    assert re.search(r"resumptionToken=\S{30}…\(\d+ characters\)…\S{30}: HTTP 503", wait)
    assert max(map(len, lines(printed))) < 400

"""The bundled sources on the command line: list them, enable one, and compare their facts with the sources."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.cli.commands import doctor, list_sources
from harvest_dagster.diagnosis import bundled_doctor
from harvest_dagster.diagnosis.bundled_doctor import BundledDiagnosis, examine_bundled
from harvest_dagster.diagnosis.bundled_report import as_markdown, summary
from harvest_dagster.errors import CatalogError
from harvest_dagster.http.rate_limit.budget import ProcessBudget
from harvest_dagster.rate_limits import Limit
from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster_tests.cli.commands import run

DAYS = Repository(first_day=date(2024, 1, 1), days=1)
NOW = datetime(2026, 12, 24, tzinfo=timezone.utc)
FACTS = "facts: {{from: [notes], unverified_since: 2026-11-23, terms: {terms}}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.delenv("HARVEST_SOURCES", raising=False)
    return tmp_path


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BundledCatalog:
    """An empty directory of bundled sources, also for the commands."""
    (tmp_path / "shelf").mkdir()
    catalog = BundledCatalog(tmp_path / "shelf")
    monkeypatch.setattr(doctor, "BUNDLED", catalog)
    monkeypatch.setattr(list_sources, "BUNDLED", catalog)
    return catalog


def write(bundled: BundledCatalog, label: str, url: str, **keys: Any) -> None:
    values = {"earliest_date": "2024-01-01", "rate_limit": {"calls": 100, "period": 1}, **keys}
    kwargs = {"base_url": url, "metadata_prefix": values.pop("prefix", "oai_dc")}
    lines = [
        f"label: {label}",
        f"name: The {label}",
        "harvester: oai",
        f"harvester_kwargs: {json.dumps(kwargs)}",
    ]
    lines += [f"{name}: {json.dumps(value)}" for name, value in values.items()]
    text = "\n".join(lines) + "\n" + FACTS.format(terms=f"the terms of {label}")
    (bundled.directory / f"{label}.yaml").write_text(text)


class RecordingBudget(ProcessBudget):
    """Counts the requests of each host, and the hosts that are asked at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, int]] = []

    def reserve(self, host: str, limit: Limit) -> float:
        seconds = super().reserve(host, limit)
        if seconds == 0:
            self.requests.append((host, threading.get_ident()))
        return seconds


def examine(
    bundled: BundledCatalog, budget: ProcessBudget | None = None, **options: Any
) -> dict[str, BundledDiagnosis]:
    own = budget or ProcessBudget()
    found = examine_bundled(bundled, {}, lambda: own, NOW, **options)
    return {diagnosis.label: diagnosis for diagnosis in found}


def test_the_list_shows_what_is_known_and_a_text_selects(bundled: BundledCatalog) -> None:
    """People choose a source by what it has, and must see what its operator asks."""
    write(
        bundled,
        "alpha",
        "https://a.example.org/oai",
        prefix="marcxml",
        home_page="https://physics.example.org",
    )
    write(bundled, "beta", "https://b.example.org/oai")
    found = run("list", "--bundled", "--json").json
    assert [line["label"] for line in found] == ["alpha", "beta"]
    assert {
        name: found[0][name] for name in ("name", "harvester", "host", "format", "unverified_since", "terms")
    } == {
        "name": "The alpha",
        "harvester": "oai",
        "host": "a.example.org",
        "format": "marcxml",
        "unverified_since": "2026-11-23",
        "terms": "the terms of alpha",
    }
    assert [line["label"] for line in run("list", "--bundled", "PHYSICS", "--json").json] == ["alpha"]
    assert run("list", "--bundled", "nobody", "--json").json == []
    table = run("list", "--bundled").out
    assert "the terms of beta" in table
    assert run("list", "text").status == 2


def test_every_bundled_source_has_a_line_without_an_empty_column() -> None:
    """The list of the package itself."""
    for line in run("list", "--bundled", "--json").json:
        values = [
            line[name] for name in ("name", "host", "format", "unverified_since", "terms", "facts_from")
        ]
        assert all(values), line["label"]


def test_add_enables_a_bundled_source(folder: Path) -> None:
    """The one line is short, but people forget the directory and HARVEST_SOURCES."""
    done = run("add", "--bundled", "zenodo", "--json")
    assert (done.status, done.json["label"]) == (0, "zenodo"), done.err
    assert "export HARVEST_SOURCES=" in done.err
    assert run("add", "--bundled", "zenodo", "--label", "cern").status == 0
    catalog = load_catalog(str(folder / "sources"), environ={})
    assert (catalog.problems, [config.label for config in catalog.configs]) == ((), ["cern", "zenodo"])
    assert [config.disabled for config in catalog.configs] == [False, False]
    again = run("add", "--bundled", "zenodo")
    assert (again.status, "is not overwritten" in again.err) == (1, True)
    wrong = run("add", "--bundled", "zenod")
    assert (wrong.status, "did you mean 'zenodo'" in wrong.err) == (1, True)
    assert run("add", "--bundled", "hal", "--label", "A b").status == 1


def test_the_error_about_a_label_names_the_bundled_source(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person whose HARVEST_SOURCES does not list `bundled` must not think that the source does not exist."""
    monkeypatch.setenv("HARVEST_SOURCES", str(folder))
    done = run("fetch", "zenodo")
    assert (done.status, "Enable it: harvest add --bundled zenodo" in done.err) == (1, True)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Four repositories: two without a fault, one that redirects, one that has an other name."""
    behaviours = ([], [], ["redirect-same-host@Identify"], ["html-bot-wall"])
    with ExitStack() as stack:
        yield [
            stack.enter_context(Server(DAYS, behaviours=scenario.parse_behaviours(each)))
            for each in behaviours
        ]


def test_the_doctor_compares_the_facts_of_all_sources(bundled: BundledCatalog, servers: list[Server]) -> None:
    """Repositories move. The report names the line to change, and the new day for those that did not."""
    good, other, moved, blocked = (server.url for server in servers)
    write(bundled, "good", good)
    write(bundled, "same_host", good, prefix="oai_cd", earliest_date="2024-03-01")
    write(bundled, "early", other, earliest_date="2001-01-01")
    write(bundled, "moved", moved)
    write(bundled, "blocked", blocked)
    budget = RecordingBudget()
    found = examine(bundled, budget)
    assert {label: diagnosis.result for label, diagnosis in found.items()} == {
        "good": "agrees",
        "same_host": "differs",
        "early": "differs",
        "moved": "differs",
        "blocked": "unreachable",
    }
    (verified,) = [finding for finding in found["good"].findings if finding.topic == "facts"]
    assert verified.change == "unverified_since: 2026-12-24"
    changes = {
        (label, finding.topic): (finding.change, found[label].place(finding).line)
        for label in ("same_host", "early", "moved")
        for finding in found[label].differences
    }
    assert changes["same_host", "earliest date"] == ("earliest_date: 2024-01-01", 5)
    assert changes["same_host", "metadata prefix"] == ("choose one of the prefixes that it offers", 4)
    assert changes["early", "earliest date"] == ("earliest_date: 2024-01-01", 5)
    assert changes["moved", "redirects"][0].startswith("set base_url to http://")
    # One budget for each host, and one thread for all its sources.
    threads = {
        host: {thread for one, thread in budget.requests if one == host} for host, _ in budget.requests
    }
    assert len(threads) == 4
    assert all(len(each) == 1 for each in threads.values())
    assert found["good"].requests == 2
    report = as_markdown(list(found.values()), NOW)
    assert "3 differs, 1 unreachable, 0 unknown, 1 agrees" in report
    assert "same_host.yaml:5: `earliest_date: 2024-01-01`" in report


def test_sources_that_do_not_answer_cost_a_bounded_time(bundled: BundledCatalog) -> None:
    """Without a network, the command must end with a result for each source, and not after a day of waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts connections and sends nothing
        port = silent.getsockname()[1]
        for number in range(3):
            url = f"http://127.0.0.1:{port}/{number}"
            write(bundled, f"silent_{number}", url, timeout={"read": "200ms", "response": "1s"})
        write(bundled, "closed", "http://127.0.0.1:1/oai")
        write(bundled, "unknown_host", "https://host.invalid/oai")
        seen: list[tuple[int, int]] = []
        found = examine(bundled, on_result=lambda _, number, count: seen.append((number, count)))
    assert {diagnosis.result for diagnosis in found.values()} == {"unreachable"}
    assert seen == [(number, 5) for number in range(1, 6)]
    assert all(summary(diagnosis).startswith("access: ") for diagnosis in found.values())
    assert found["silent_0"].requests == 1  # not repeated


def test_without_a_network_most_sources_are_not_asked(
    bundled: BundledCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resolver without a network takes seconds for each name. After some failures, the reason is clear."""
    monkeypatch.setattr(bundled_doctor, "MOST_HOSTS", 1)
    monkeypatch.setattr(bundled_doctor, "_ENOUGH_FAILURES", 2)
    for number in range(4):
        write(bundled, f"s{number}", f"http://127.0.0.1:{number + 1}/oai")
    found = examine(bundled)
    assert [diagnosis.result for diagnosis in found.values()] == ["unreachable"] * 2 + ["unknown"] * 2
    assert "check the network" in summary(found["s3"])
    assert "not asked" in as_markdown(list(found.values()), NOW)
    with Server(DAYS) as server:
        write(bundled, "a", server.url)
        assert "unknown" not in {diagnosis.result for diagnosis in examine(bundled).values()}


def test_files_are_not_downloaded(bundled: BundledCatalog) -> None:
    """A dump may have a terabyte."""
    text = (
        "label: dump\nharvester: files\nharvester_kwargs: {path: 'https://host.invalid/a.xml', format: oai}\n"
    )
    (bundled.directory / "dump.yaml").write_text(text)
    (diagnosis,) = examine(bundled).values()
    assert (diagnosis.result, diagnosis.requests) == ("unknown", 0)
    assert "is not examined" in summary(diagnosis)


def test_a_text_selects_sources_and_a_wrong_file_is_refused(bundled: BundledCatalog) -> None:
    """A maintainer repairs one platform at a time."""
    write(bundled, "alpha", "http://127.0.0.1:1/oai")
    write(bundled, "beta", "http://127.0.0.1:1/oai")
    assert list(examine(bundled, text="alph")) == ["alpha"]
    with pytest.raises(CatalogError, match="no bundled source has 'gamma'"):
        examine(bundled, text="gamma")
    write(bundled, "beta", "ftp://127.0.0.1/oai")
    with pytest.raises(CatalogError, match=r"beta\.yaml:4: harvester_kwargs\.base_url"):
        examine(bundled)


def test_the_command_prints_writes_a_report_and_exits_with_1_if_facts_differ(
    bundled: BundledCatalog, servers: list[Server], folder: Path
) -> None:
    """A scheduled job compares the facts of the package."""
    write(bundled, "good", servers[0].url)
    done = run("doctor", "--bundled", "--json", "--report", "report.md")
    assert (done.status, done.json["counts"]["agrees"]) == (0, 1), done.err
    assert "1 of 1: good: agrees" in done.err
    assert "| good | 127.0.0.1" in (folder / "report.md").read_text()
    write(bundled, "gone", "http://127.0.0.1:1/oai")
    done = run("doctor", "--bundled", "--report", "report.json")
    assert done.status == 1
    assert "unreachable" in done.out
    report = json.loads((folder / "report.json").read_text())
    assert [(one["label"], one["result"]) for one in report["sources"]] == [
        ("gone", "unreachable"),
        ("good", "agrees"),
    ]
    (change,) = [one for one in report["sources"][1]["findings"] if one["topic"] == "facts"]
    assert (change["key"], change["line"]) == ("facts.unverified_since", 7)
    assert run("doctor", "--bundled", "--report", "missing/report.md", "good").status == 1
    assert (run("doctor").status, run("doctor", "x", "--report", "y").status) == (2, 2)

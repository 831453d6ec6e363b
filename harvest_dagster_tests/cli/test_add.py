"""`harvest add`: the file that it writes loads, says where its values come from, and replaces nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.diagnosis.new_source import first_partition_line, label_of
from harvest_dagster.harvesters.oai.identify import Identity
from harvest_dagster.harvesters.window_ends.requested_dates import Granularity
from harvest_dagster.testing.simulator import Repository, Server, scenario
from harvest_dagster.windows import parse_instant, utc_now
from harvest_dagster_tests.cli.commands import run

NAME = (
    'A "name": with # signs, Ünïcode and a very long text that a YAML writer would otherwise wrap at eighty'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{tmp_path}/none.db")
    monkeypatch.delenv("HARVEST_SOURCES", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("earliest", "line"),
    [
        ("2011-02-03", "earliest_date: 2011-02-03  # earliestDatestamp"),
        (
            "1970-01-01",
            "earliest_date: 1970-01-01  # earliestDatestamp. OAI-PMH began in 2001; set a later day",
        ),
        ("2150-01-01", "# earliest_date: …  # earliestDatestamp is 2150-01-01, in the future"),
        (None, "# earliest_date: …  # the repository gives none"),
    ],
)
def test_the_first_partition_is_the_earliest_datestamp_if_that_is_plausible(
    earliest: str | None, line: str
) -> None:
    """With a date in the future no day can be harvested. A later date than that of the repository may lose records."""
    instant = parse_instant(earliest) if earliest else None
    identity = Identity("A", "https://a.example.org", "2.0", instant, "no", Granularity.DAY, ())
    assert first_partition_line(identity, utc_now()).startswith(line)


def test_the_file_contains_the_statements_of_the_repository(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values that a person copies by hand are wrong, and a file that does not load helps nobody."""
    with Server(Repository(first_day=date(2011, 2, 3), days=1, name=NAME)) as server:
        first = run("add", f"{server.url}?verb=Identify", "--label", "mine", "--json")
        again = run("add", server.url, "--label", "mine")
        monkeypatch.setenv("HARVEST_SOURCES", str(folder / "sources"))
        taken = run("add", server.url, "--label", "mine")
    assert first.status == 0, first.err
    assert "export HARVEST_SOURCES=" in first.err
    path = folder / "sources" / "mine.yaml"
    assert first.json["file"] == str(path)
    config = load_catalog(str(folder / "sources")).get("mine")
    assert (config.name, config.earliest_date) == (NAME, date(2011, 2, 3))
    assert config.harvester_kwargs == {"base_url": server_url(first), "metadata_prefix": "oai_dc"}
    assert (config.rate_limit.calls, config.rate_limit.period) == (1, 1)
    assert config.transformer == "oai_dc"
    assert "earliest_date: 2011-02-03  # earliestDatestamp" in path.read_text()
    assert "# Deletion policy: persistent" in path.read_text()
    assert run("check").status == 0
    assert (again.status, taken.status) == (1, 1)
    assert "exists and is not overwritten" in again.err
    assert "there is a source with the label mine" in taken.err
    assert path.read_text() == first.json["text"]


def server_url(done: object) -> str:
    """Return the base URL in the written text."""
    text: str = done.json["text"]  # type: ignore[attr-defined]
    (line,) = [line for line in text.splitlines() if line.strip().startswith("base_url:")]
    url = line.split()[1]
    assert "verb" not in url
    return url


def test_the_first_writable_directory_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file must be where the catalog reads it."""
    (folder / "mine").mkdir()
    monkeypatch.setenv("HARVEST_SOURCES", f"bundled:{folder}/missing:{folder}/mine")
    with Server(Repository(days=1)) as server:
        done = run("add", server.url, "--label", "x")
        wrong = run("add", server.url, "--label", "Not a label")
    assert done.status == 0
    assert "export" not in done.err
    assert (folder / "mine" / "x.yaml").exists()
    assert "is not a label" in wrong.err


def test_a_source_that_does_not_answer_leaves_no_file(folder: Path) -> None:
    """Half a config is worse than none."""
    with Server(Repository(days=1), behaviours=scenario.parse_behaviours(["gone"])) as server:
        done = run("add", server.url)
    assert done.status == 1
    assert not (folder / "sources").exists()


def test_a_repository_that_ignores_dates_gets_snapshots(folder: Path) -> None:
    """A person would notice it after the first backfill, which downloads everything once for each window."""
    with Server(Repository(days=2), behaviours=scenario.parse_behaviours(["dates-ignored"])) as server:
        done = run("add", server.url, "--label", "all_of_it")
    assert done.status == 0, done.err
    assert load_catalog(str(folder / "sources")).get("all_of_it").selective is False


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("https://oaipmh.arxiv.org/oai", "arxiv"),
        ("http://10.0.0.1:8080/oai", "source_10_0_0_1"),
        ("http://localhost/oai", "source"),
    ],
)
def test_the_label_comes_from_the_host(url: str, label: str) -> None:
    """The last number of an address was left out like `.org`, so all machines of a network had the same label."""
    assert label_of(url) == label

"""`harvest records`, `harvest documents` and `harvest export`, as people and scripts use them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import harvest_dagster
from harvest_dagster.data import rows
from harvest_dagster.records import Record
from harvest_dagster.storage import ingest_configs
from harvest_dagster.storage.database import Database
from harvest_dagster.storage.raw_data.originals import put_originals
from harvest_dagster_tests.cli.commands import imported_modules, run
from harvest_dagster_tests.cli.conftest import Sources
from harvest_dagster_tests.storage.configs import NOW
from harvest_dagster_tests.storage.stored_source import Source, record


@pytest.fixture
def label(sources: Sources) -> str:
    """The label of a source with three records and their documents. One is deleted."""
    source = Source(sources.database())
    records = [record("x", "A"), record("y", "Ü"), record("z", "", deleted=True)]
    source.store(*records[:2])
    source.store(records[2], now=NOW.replace(day=2))
    source.transform(*records)
    return str(source.label)


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_rows_are_printed_as_json_lines(label: str) -> None:
    """Scripts read standard output line by line. A deleted record must be among the lines."""
    done = run("records", label)
    assert (done.status, done.err) == (0, "")
    assert list(lines(done.out)[0]) == [
        "label", "identifier", "datestamp", "deleted", "hash", "datum", "first_seen", "changed_at", "raw_id",
    ]  # fmt: skip
    found = [(row["identifier"], row["deleted"], row["changed_at"]) for row in lines(done.out)]
    assert found == [
        ("x", False, "2024-05-01T12:00:00Z"),
        ("y", False, "2024-05-01T12:00:00Z"),
        ("z", True, "2024-05-02T12:00:00Z"),
    ]
    documents = lines(run("documents", label, "--json").out)
    assert [(row["identifier"], row["document"]) for row in documents] == [
        ("x", {"title": "A"}),
        ("y", {"title": "Ü"}),
        ("z", None),
    ]


def test_rows_are_selected_by_time_identifier_and_number(label: str) -> None:
    """Following a source, looking at one record, and looking at a few are different questions."""
    assert [row["identifier"] for row in lines(run("records", label, "--since", "2024-05-02").out)] == ["z"]
    assert [row["datum"] for row in lines(run("records", label, "--id", "y", "--id", "x").out)] == ["A", "Ü"]
    assert len(lines(run("documents", label, "--limit", "2").out)) == 2


def test_originals_are_printed_in_base64(label: str) -> None:
    """JSON has no bytes."""
    assert lines(run("records", label, "--original", "--limit", "1").out)[0]["original"] is None
    with Database.open(os.environ["HARVEST_DATABASE_URL"]) as database, database.begin() as connection:
        config_id = ingest_configs.find_id(connection, label)
        assert config_id is not None
        kept = Record("x", NOW, deleted=False, blob="A", original=b"\xff<x/>")
        put_originals(connection, config_id, [kept], NOW)
    found = lines(run("records", label, "--original", "--id", "x").out)[0]
    assert base64.b64decode(str(found["original"])) == b"\xff<x/>"


def test_failures_are_one_line_with_status_1(label: str, tmp_path: Path) -> None:
    """A script must not take an unknown label for a source without records."""
    (tmp_path / "file").touch()
    for arguments, message in (
        (["records", label + "x"], f"did you mean '{label}'"),
        (["export", label + "x", str(tmp_path / "x.csv")], f"did you mean '{label}'"),
        (["documents", label, "--id", "nothing"], "no row with the identifier 'nothing'"),
        (["export", label, str(tmp_path / "file" / "x.csv")], "cannot be written"),
    ):
        done = run(*arguments)
        assert (done.status, done.out) == (1, "")
        assert message in done.err
        assert len(done.err.splitlines()) == 1


def test_a_wrong_command_line_has_status_2(label: str) -> None:
    """Scripts must tell a mistyped command from a failure."""
    for arguments in (
        ["records", label, "--since", "yesterday"],
        ["records", label, "--limit", "0"],
        ["export", label],
        ["export", "--all"],
        ["export", "--all", label, "x.csv"],
        ["export", label, "x.unknown"],
    ):
        assert run(*arguments).status == 2, arguments


def test_export_says_what_it_wrote_and_how_to_continue(label: str, tmp_path: Path) -> None:
    """The next export needs the newest change of this one."""
    path = str(tmp_path / "documents.jsonl")
    done = run("export", label, "--format", "jsonl", path)
    assert done.status == 0, done.err
    assert done.out.splitlines() == [
        f"3 documents, 1 of them deleted, in {path}",
        f"Next time, get the changes of {label} with --since 2024-05-01T12:00:00Z",
    ]
    assert lines(Path(path).read_text()) == lines(run("documents", label).out)
    found = run("export", label, "--records", "--since", "2024-05-02", "--json", str(tmp_path / "r.csv")).json
    source = {"label": label, "rows": 1, "deleted": 1, "changed_at": "2024-05-02T12:00:00Z"}
    assert found == {"files": [str(tmp_path / "r.csv")], "sources": [source], "rows": 1, "deleted": 1}


def test_all_sources_are_exported_to_a_directory(label: str, tmp_path: Path) -> None:
    """An aggregator has hundreds of sources."""
    done = run("export", "--all", "--format", "parquet", f"{tmp_path}/all/")
    assert done.status == 0, done.err
    assert [path.name for path in (tmp_path / "all").iterdir()] == [f"{label}-documents-00000.parquet"]


def test_without_pyarrow_the_command_names_what_installs_it(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback about a missing module does not say which extra brings it."""
    monkeypatch.delitem(sys.modules, "harvest_dagster.data.arrow", raising=False)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = run("export", label, "--format", "parquet", str(tmp_path / "x.parquet"))
    assert (done.status, done.out) == (1, "")
    assert f"pip install -e '{Path(harvest_dagster.__file__).parents[1]}[parquet]'" in done.err  # a checkout
    monkeypatch.setattr(rows, "_CHECKOUT", tmp_path)  # installed from an index
    done = run("export", label, "--format", "parquet", str(tmp_path / "x.parquet"))
    assert "pip install 'harvest_dagster[parquet]'" in done.err
    assert not (tmp_path / "x.parquet").exists()
    assert run("export", label, str(tmp_path / "x.csv")).status == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_reading_starts_without_dagster(label: str, tmp_path: Path) -> None:
    """A command that takes seconds to start is not used in a loop."""
    for arguments in (["records", label], ["export", label, str(tmp_path / "x.jsonl")]):
        assert not {"dagster", "pyarrow", "alembic", "pydantic"} & imported_modules(*arguments)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_closed_pipe_ends_the_output(label: str) -> None:
    """`harvest records x | head -1` would end with a traceback."""
    command = f"{sys.executable} -m harvest_dagster.cli records {label} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_a_pipe_whose_reader_has_read_enough_is_no_failure(label: str) -> None:
    """`harvest records x | head -1` fails a script that has `set -o pipefail`."""
    command = f"set -o pipefail; {sys.executable} -m harvest_dagster.cli records {label} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{", "")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["x.jsonl", "--records", "--documents"], "only one of"),
        (["-", "--format", "jsonl"], "harvest records"),
    ],
)
def test_an_export_that_can_mean_two_things_is_refused(label: str, arguments: list[str], reason: str) -> None:
    """The documents were exported without a word, or to a file with the name `-`."""
    done = run("export", label, *arguments)
    assert (done.status, done.out) == (2, "")
    assert reason in done.err

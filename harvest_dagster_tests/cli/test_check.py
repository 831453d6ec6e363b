"""`harvest check`: what it reports, and what it only mentions."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harvest_dagster_tests.cli.commands import run

Write = Callable[..., Path]
GOOD = """
label: {label}
harvester: oai
harvester_kwargs: {{base_url: "https://{label}.example.org/oai", metadata_prefix: oai_dc}}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, text: str = GOOD, label: str = "a") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.format(label=label))
        return path

    return write


def found(*paths: Path) -> list[tuple[str, int, str]]:
    """Return name, line and key of each problem."""
    done = run("check", "--json", *map(str, paths))
    assert done.status == (1 if done.json else 0)
    return [(Path(one["file"]).name, one["line"], one["key"]) for one in done.json]


def test_a_catalog_without_a_problem_has_exit_status_0(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    """CI of a repository of sources runs it without arguments."""
    path = write("a.yaml")
    monkeypatch.setenv("HARVEST_SOURCES", str(path.parent))
    done = run("check")
    assert (done.status, done.out) == (0, "")
    assert run("check", "--json").json == []


def test_the_bundled_sources_have_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are the examples that people copy."""
    monkeypatch.delenv("HARVEST_SOURCES", raising=False)
    done = run("check", "--json", "--strict")
    assert (done.status, done.json) == (0, [])


def test_all_problems_of_a_file_are_reported_in_one_round(write: Write) -> None:
    """With a second list of problems after the first correction, nobody trusts the command."""
    rest = (
        "label: c\nharvester: json\nearliest_date: 2150-01-01\nharvester_kwargs:\n"
        "  base_url: https://x.example.org/$KEY\n"
        "  records: items\n  identifier: id\n  nxt: 1\n  next: {{by: page}}\n"
    )
    assert found(write("c.yaml", rest)) == [
        ("c.yaml", 3, "earliest_date"),
        ("c.yaml", 4, "harvester_kwargs"),
        ("c.yaml", 5, "harvester_kwargs.base_url"),
        ("c.yaml", 8, "harvester_kwargs.nxt"),
        ("c.yaml", 9, "harvester_kwargs.next"),
    ]
    assert ("d.yaml", 5, "earliest_date") in found(
        write("d.yaml", GOOD + "earliest_date: 2150-01-01\nsettle: 1x\n", label="D")
    )


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("harvester: oay", (3, "harvester")),
        ('schedule: "0 0 30 2 *"', (3, "schedule")),
        ("earliest_date: 2150-01-01", (3, "earliest_date")),
        ("tranformer: oai_dc", (3, "tranformer")),
        (
            "harvester_kwargs: {base_url: 'https://$API_HOST/', metadata_prefix: oai_dc}",
            (3, "harvester_kwargs.base_url"),
        ),
    ],
)
def test_a_mistake_is_reported_with_its_line_and_key(write: Write, line: str, place: tuple[int, str]) -> None:
    """Each of these loads nothing, harvests nothing, or sends something else than the author meant."""
    lines = {
        "label": "label: a",
        "harvester": "harvester: oai",
        "harvester_kwargs": 'harvester_kwargs: {base_url: "https://a.example.org/", metadata_prefix: oai_dc}',
    }
    key = line.partition(":")[0]
    others = [text for name, text in lines.items() if name not in {key, "label"}]
    path = write("a.yaml")
    path.write_text("\n".join(["label: a", "name: A", line, *others]))
    assert found(path) == [("a.yaml", *place)]


JSON = """
label: a
harvester: json
harvester_kwargs:
  base_url: https://a.example.org/
  records: $.items[*]
  identifier: id
  params: {$where: "x > $minimum and changed >= '{from}' and changed < '{until}'", $top: 5}
  next: {by: cursor, path: next, param: $skiptoken}
"""


def test_a_query_option_that_begins_with_a_dollar_is_no_variable(write: Write) -> None:
    """Socrata and OData have such options. A JSONPath begins with the sign, too."""
    path = write("a.yaml")
    path.write_text(JSON)
    assert found(path) == []


def test_a_secret_without_braces_is_reported_whatever_its_case(write: Write) -> None:
    """The text itself would be sent as the key."""
    path = write("a.yaml")
    path.write_text(f"{JSON}  headers: {{X-Api-Key: $my_key}}\n")
    assert found(path) == [("a.yaml", 10, "harvester_kwargs.headers.X-Api-Key")]


def test_an_empty_file_and_a_missing_file_are_problems(write: Write, tmp_path: Path) -> None:
    """A file that was emptied by mistake makes its source disappear. A mistyped name must not pass."""
    empty = write("empty.yaml", "# only a comment\n---\n")
    assert found(empty, tmp_path / "missing.yaml") == [("empty.yaml", 0, ""), ("missing.yaml", 0, "")]


def test_a_directory_without_a_source_is_a_problem(tmp_path: Path) -> None:
    """CI would pass although it has checked nothing."""
    assert found(tmp_path) == [(tmp_path.name, 0, "")]
    assert found(tmp_path / "mistyped") == [("mistyped", 0, "")]


def test_a_label_in_two_files_is_a_problem_of_the_second(write: Write) -> None:
    """Only one of them would be harvested."""
    assert found(write("a.yaml"), write("b.yaml")) == [("b.yaml", 2, "label")]


def test_all_problems_of_all_files_are_reported_in_order(write: Write) -> None:
    """A person corrects them in one go."""
    bad = "name: [1]\nharvester: oay\n"
    assert found(write("b.yaml", bad), write("a.yaml", bad, "b")) == [
        ("a.yaml", 1, "label"),
        ("a.yaml", 1, "name"),
        ("a.yaml", 2, "harvester"),
        ("b.yaml", 1, "label"),
        ("b.yaml", 1, "name"),
        ("b.yaml", 2, "harvester"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GOOD.replace("https://", "https://user:secret@"), "plain text"),
        (GOOD + "name: ${{NAME}}\n", "is not replaced here"),
        (GOOD + f"---{GOOD}".replace("label: {label}", "label: other"), "the same records as a"),
        (
            GOOD + f"---{GOOD}rate_limit: {{{{calls: 9}}}}\n".replace("label: {label}", "label: other"),
            "set different limits",
        ),
    ],
    ids=["secret", "placeholder", "twice", "limits"],
)
def test_what_may_be_intended_is_a_warning(write: Write, text: str, words: str) -> None:
    """A warning stays out of the list. `--strict` adds it, for those who want it to fail."""
    path = write("a.yaml", text)
    done = run("check", "--json", str(path))
    assert (done.status, done.json) == (0, [])
    assert "warning: " in done.err
    assert words in done.err
    strict = run("check", "--json", "--strict", str(path))
    assert strict.status == 1
    assert any(words in problem["message"] for problem in strict.json)
    assert "secret@" not in done.err + strict.out


def test_files_that_the_catalog_does_not_read_are_warnings(write: Write) -> None:
    """The catalog reads no subdirectories. Their sources would be missing without a word."""
    folder = write("a.yaml").parent
    write("more/b.yaml", label="b")
    write("c.YAML", label="c")
    write(".hidden.yaml", label="d")
    done = run("check", str(folder))
    assert (done.status, done.err.count("warning: ")) == (0, 2)
    assert f"more{os.sep}b.yaml: is not read" in done.err


def test_the_lines_for_people_name_the_place_first(write: Write) -> None:
    """Editors and CI services turn such lines into links."""
    path = write("a.yaml", "harvester: oai\n")
    done = run("check", str(path))
    assert done.out.startswith(f"{path}:1: label: is missing")
    assert "2 problems in the files" in done.err


@pytest.mark.parametrize(
    ("schedule", "has_warning"), [("0 3 * * *", False), ("0 12 * * 1-5", True), ("*/15 11-19 * * *", True)]
)
def test_a_schedule_outside_of_the_hours_is_a_warning(
    write: Write, schedule: str, *, has_warning: bool
) -> None:
    """Schedules are in UTC, and hours often are not. Summer and winter time both count."""
    path = write("a.yaml", GOOD + f'schedule: "{schedule}"\nhours: 21:00-05:00 America/New_York\n')
    done = run("check", "--json", "--strict", str(path))
    found = [(problem["line"], problem["key"]) for problem in done.json]
    assert found == ([(5, "schedule")] if has_warning else [])
    assert ("never falls into the hours (21:00-05:00 America/New_York)" in done.out) is has_warning


def test_a_mistake_in_the_hours_names_file_line_key_and_what_is_allowed(write: Write) -> None:
    """With the wrong zone, the source would be asked by day."""
    path = write("a.yaml", GOOD + "hours: [21:00-05:00 EDT]\n")
    done = run("check", str(path))
    assert done.status == 1
    assert (
        f"{path}:5: hours: 'EDT' is not a time zone; write a name of the IANA time zone database" in done.out
    )

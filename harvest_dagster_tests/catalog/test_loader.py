"""Loading the catalog: all valid configs, all problems, no input except YAML and HARVEST_SOURCES."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from harvest_dagster.catalog.bundled import BUNDLED_DIRECTORY
from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.catalog.plaintext_secrets import masked_definition
from harvest_dagster.errors import CatalogError, UnknownIngestConfig
from harvest_dagster_tests.catalog.conftest import good

Load = Callable[..., Catalog]

BAD = """\
label: bad
harvester: fake
harvester_kwargs: {base_url: nowhere, pags: 3}
rate_limit:
  calls: 0
  perod: 3
disabled: yes
disabled: "true"
---
- a list
---
label: [
---
"""


def labels(catalog: Catalog) -> list[str]:
    return [config.label for config in catalog.configs]


def places(catalog: Catalog) -> list[tuple[str, int, str]]:
    return [(Path(problem.file).name, problem.line, problem.key) for problem in catalog.problems]


def test_configs_are_ordered_by_label(load: Load) -> None:
    """The order of assets must not change when a file is renamed."""
    catalog = load(good("c") + "---\n" + good("a"), good("b"))
    assert labels(catalog) == ["a", "b", "c"]
    assert catalog.problems == ()


def test_every_problem_of_every_file_is_reported_and_valid_configs_load(load: Load) -> None:
    """Twenty typos must not need twenty reloads, and one typo must not stop fifty sources."""
    catalog = load(BAD, good("fine"), "harvester: fake\n")
    assert labels(catalog) == ["fine"]
    assert places(catalog) == [
        ("a.yaml", 3, "harvester_kwargs.base_url"),
        ("a.yaml", 3, "harvester_kwargs.pags"),
        ("a.yaml", 5, "rate_limit.calls"),
        ("a.yaml", 6, "rate_limit.perod"),
        ("a.yaml", 8, "disabled"),
        ("a.yaml", 8, "disabled"),
        ("a.yaml", 10, ""),
        ("a.yaml", 13, ""),
        ("c.yaml", 1, "label"),
        ("c.yaml", 1, "harvester_kwargs.base_url"),
    ]


@pytest.mark.parametrize(
    ("line", "key", "message"),
    [
        ("rate_limt: {calls: 1}", "rate_limt", "did you mean 'rate_limit'?"),
        ("settings: 1", "settings", "allowed: label, name, home_page, description, harvester, "),
        ("rate_limit: {cals: 1}", "rate_limit.cals", "allowed: calls, period; did you mean 'calls'?"),
        ("rate_limit: {calls: 0}", "rate_limit.calls", "must be greater than or equal to 1, not 0"),
        ("rate_limit: 3", "rate_limit", "must be a mapping (key: value), not 3"),
        (
            "timeout: {read: 3 s}",
            "timeout.read",
            "'3 s' is not a duration; write a number and one of the units",
        ),
        ("max_window:", "max_window", "None is not a duration"),
        ("earliest_date: 2005-02-30", "earliest_date", "is not a date"),
        ("disabled: yes", "disabled", "must be true or false, not 'yes'"),
        ('name: ""', "name", "must have at least 1 character, not ''"),
        ("name: 7", "name", "must be text (put a number, true or false in quotes), not 7"),
        ("name: true", "name", "not true"),
        ("name: [a]", "name", "not a list"),
        ("description: {a: b}", "description", "not a mapping"),
        (
            "failure_threshold: " + "7" * 80,
            "failure_threshold",
            "must be a whole number, not '" + "7" * 59 + "…",
        ),
        ("schedule: 0 25 * * *", "schedule", "'25' is not a valid hour; allowed: a number from 0 to 23"),
        ("owners: [team:a, bob]", "owners[1]", "write team:NAME or an e-mail address"),
        ("owners: bob", "owners", "must be a list, not 'bob'"),
        ("tags: {a: 1}", "tags.a", "must be text"),
        ("tags: {a b: c}", "tags.a b", "63 letters"),
        ("transformer: nope", "transformer", "no transformer is registered as 'nope'"),
        ("home_page: example.org", "home_page", "begins with http:// or https://"),
    ],
)
def test_a_problem_names_file_line_key_and_what_is_allowed(
    load: Load, line: str, key: str, message: str
) -> None:
    """The author needs these four to correct the file without reading our code."""
    (problem,) = load("# a comment\n" + good() + line + "\n").problems
    assert Path(problem.file).name == "a.yaml"
    assert (problem.line, problem.key, problem.label) == (5, key, "good")
    assert message in problem.message
    assert str(problem) == f"{problem.file}:5: {key}: {problem.message}"


@pytest.mark.parametrize("label", ["7", "true", "[a]", "2005-09-16", "no-dash", "1.5"])
def test_a_label_that_is_not_text_is_not_converted(load: Load, label: str) -> None:
    """Nobody expects an asset `raw/7` or `raw/true`."""
    catalog = load(good(label))
    assert places(catalog) == [("a.yaml", 1, "label")]
    assert catalog.configs == ()


def test_the_boolean_no_of_yaml_1_1_is_a_label(load: Load) -> None:
    """`no` is Norway. Editors read YAML 1.2, where it is text."""
    assert labels(load(good("no"))) == ["no"]


def test_the_first_document_keeps_a_duplicate_label(load: Load) -> None:
    """If the last file replaced the first silently, the names of the files would decide which source runs."""
    catalog = load(good("x"), good("y") + "---\n" + good("x").replace("example.org", "other.org"))
    assert labels(catalog) == ["x", "y"]
    assert "example.org" in str(catalog.get("x").harvester_kwargs)
    (problem,) = catalog.problems
    assert (Path(problem.file).name, problem.line, problem.key) == ("b.yaml", 5, "label")
    assert "'x' is already the label of " in problem.message
    assert "a.yaml:1, which keeps it" in problem.message


def test_a_config_that_does_not_load_keeps_its_label(load: Load) -> None:
    """Otherwise, correcting the first config would change which of the two runs."""
    catalog = load(good("x") + "disabled: 7\n", good("x"))
    assert catalog.configs == ()
    assert places(catalog) == [("a.yaml", 4, "disabled"), ("b.yaml", 1, "label")]


def test_only_yaml_files_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    """The backup file of an editor would duplicate every label."""
    for number, name in enumerate(
        ["b.yml", "a.yaml", ".hidden.yaml", "a.yaml~", "c.json", "d.yaml.bak", "YAML"]
    ):
        (tmp_path / name).write_text(good(f"x{number}"))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.yaml").write_text(good("e"))
    assert labels(load_catalog(str(tmp_path), environ={})) == ["x0", "x1"]


def test_sources_lists_several_directories(tmp_path: Path) -> None:
    """Each directory is read once, and `bundled` can be one of them."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text(good(name))
    listed = os.pathsep.join(
        [str(tmp_path / "one"), "", str(tmp_path / "two"), str(tmp_path / "one"), "bundled"]
    )
    catalog = load_catalog(environ={"HARVEST_SOURCES": listed})
    assert {"one", "two", "arxiv_cs"} <= set(labels(catalog))
    assert not [problem for problem in catalog.problems if BUNDLED_DIRECTORY.name not in problem.file]


@pytest.mark.parametrize("environ", [{}, {"HARVEST_SOURCES": ""}, {"HARVEST_SOURCES": "bundled"}])
def test_the_bundled_catalog_is_the_default(environ: dict[str, str]) -> None:
    """The first commands of the README set no variable."""
    assert load_catalog(environ=environ) == load_catalog("bundled", environ={"HARVEST_SOURCES": "elsewhere"})


def test_a_missing_directory_is_a_problem_and_the_others_load(tmp_path: Path) -> None:
    """An unmounted volume must not look like a catalog without sources."""
    (tmp_path / "x.yaml").write_text(good("x"))
    file = tmp_path / "x.yaml"
    listed = os.pathsep.join([str(tmp_path / "nowhere"), str(file), str(tmp_path)])
    catalog = load_catalog(listed, environ={})
    assert labels(catalog) == ["x"]
    assert [(problem.file, problem.line) for problem in catalog.problems] == [(str(tmp_path / "nowhere"), 0)]
    assert "HARVEST_SOURCES" in catalog.problems[0].message
    assert str(catalog.problems[0]).startswith(f"{tmp_path / 'nowhere'}: cannot be read as a directory")


def test_a_file_that_cannot_be_read_is_a_problem_and_the_others_load(tmp_path: Path) -> None:
    """A dangling link, a directory with the suffix .yaml and a file in Latin-1 each get a problem."""
    (tmp_path / "a.yaml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "b.yaml").mkdir()
    (tmp_path / "c.yaml").write_bytes(good("c").encode() + "name: Universität\n".encode("latin-1"))
    (tmp_path / "d.yaml").write_bytes(b"\xef\xbb\xbf" + good("d").encode())
    catalog = load_catalog(str(tmp_path), environ={})
    assert labels(catalog) == ["d"]
    assert places(catalog) == [("a.yaml", 0, ""), ("b.yaml", 0, ""), ("c.yaml", 4, "")]
    assert "is not UTF-8" in catalog.problems[2].message


def test_the_error_about_an_unknown_label_suggests_a_similar_one(load: Load) -> None:
    """`arxiv-cs` for `arxiv_cs` is the most frequent mistake on a command line."""
    with pytest.raises(UnknownIngestConfig, match=r"no source 'arxiv-cs'; did you mean 'arxiv_cs'\?"):
        load(good("arxiv_cs"), good("zenodo")).get("arxiv-cs")
    with pytest.raises(UnknownIngestConfig, match=r"did you mean 'arxiv_cs' or 'arxiv_os'\?"):
        load(good("arxiv_cs"), good("arxiv_os")).get("arxiv_csx")
    with pytest.raises(UnknownIngestConfig, match="the source 'arxiv' is now called 'arxiv_cs'"):
        load(good("arxiv_cs") + "former_labels: [arxiv]\n").get("arxiv")
    with pytest.raises(UnknownIngestConfig, match=r"add the directory of its file, .* to HARVEST_SOURCES"):
        Catalog().get("anything")


def test_the_error_about_a_label_that_did_not_load_gives_its_problems(load: Load) -> None:
    """`unknown label` would make people search for a file that exists."""
    with pytest.raises(
        UnknownIngestConfig, match=r"'bad' did not load: .*a\.yaml:4: disabled: must be true or false"
    ):
        load(good("bad") + "disabled: 7\n").get("bad")


def test_raise_if_invalid_raises_with_every_problem(load: Load) -> None:
    """The CI of a repository of sources must fail on any problem and show all of them."""
    load(good()).raise_if_invalid()
    with pytest.raises(
        CatalogError, match=r"(?s)problems in the catalog .2.:.*a\.yaml:1: .*b\.yaml:1: .*Correct these files"
    ):
        load("7", "8").raise_if_invalid()


def test_a_broken_plug_in_does_not_affect_other_configs(load: Load) -> None:
    """One missing driver stopped the schedules of all sources: docs/failures.md#one-bad-source-stops-all."""
    catalog = load(good("a").replace("fake", "broken"), good("b"), good("c").replace("fake", "missing"))
    assert labels(catalog) == ["b"]
    assert places(catalog) == [("a.yaml", 2, "harvester"), ("c.yaml", 2, "harvester")]


def test_loading_reads_no_environment_variable_except_harvest_sources(tmp_path: Path) -> None:
    """The definitions are also built in processes that have no secrets."""
    names_read: list[str] = []

    class RecordingEnviron(Mapping[str, str]):
        def __getitem__(self, name: str) -> str:
            names_read.append(name)
            return {"HARVEST_SOURCES": str(tmp_path)}[name]

        def __iter__(self) -> Iterator[str]:
            raise AssertionError

        def __len__(self) -> int:
            raise AssertionError

    (tmp_path / "x.yaml").write_text(good("x").replace("https://example.org", "${HARVEST_TEST_URL}"))
    assert labels(load_catalog(environ=RecordingEnviron())) == ["x"]
    assert set(names_read) == {"HARVEST_SOURCES"}


BARE = """
import socket, sys
def refuse(*args, **kwargs):
    raise AssertionError("the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
from harvest_dagster.catalog.loader import load_catalog
catalog = load_catalog()
catalog.raise_if_invalid()
assert catalog.configs
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & {"dagster", "sqlalchemy", "alembic", "psycopg"}))
"""


def test_loading_needs_no_network_no_database_and_no_dagster() -> None:
    """Every process of a run loads the catalog: 13 times for one run of three ops."""
    environ = {"HARVEST_DATABASE_URL": "postgresql://nowhere.invalid/x"}
    done = subprocess.run(
        [sys.executable, "-c", BARE], capture_output=True, text=True, env=environ, check=False
    )
    assert done.stderr == ""
    assert done.stdout.strip() == "[]"


def former(label: str, *labels: str) -> str:
    return good(label) + f"former_labels: [{', '.join(labels)}]\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([former("new", "old"), good("old")], "'old' is still the label of .*b.yaml:1; remove that document"),
        (
            [former("one", "new"), former("new", "old", "old2"), former("other", "old2")],
            "'new' is still the label",
        ),
        ([former("new", "new")], "'new' is the label itself; remove it here"),
        (
            [former("a", "old"), former("b", "old")],
            "'old' is already a former label at .*a.yaml:4; remove one of",
        ),
        ([former("a", "Old")], "'Old' is not allowed"),
    ],
)
def test_a_former_label_belongs_to_one_source(load: Load, files: list[str], message: str) -> None:
    """Otherwise two sources would write into the data of one."""
    catalog = load(*files)
    assert re.search(message, str(catalog.problems[0])), catalog.problems
    assert catalog.problems[0].key.startswith("former_labels")
    assert catalog.problems[0].label not in labels(catalog)


def test_addresses_for_notifications_are_read_and_passwords_in_them_are_reported(load: Load) -> None:
    """The file is in a repository that many people read."""
    catalog = load(
        good("a")
        + 'notify: ["mailto://me:${PASSWORD}@example.org", "mailto://me:pass@example.org", "${URL}"]\n',
        good("b") + "notify: [me@example.org]\n",
    )
    (config,) = catalog.configs
    assert masked_definition(config)["notify"] == ["mailto://***", "mailto://***", "${URL}"]
    assert [(warning.key, "plain text" in warning.message) for warning in catalog.warnings] == [
        ("notify[1]", True)
    ]
    (problem,) = catalog.problems
    assert (problem.key, "write an Apprise URL" in problem.message) == ("notify[0]", True)

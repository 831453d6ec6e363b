"""Every fenced block of the documentation is run, loaded or listed here with the reason why it is not.

`test_readme` runs the blocks with a word after their language. This module runs the others, page by page.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from apprise import Apprise
from jsonschema import Draft202012Validator

from harvest_dagster import HarvestSources
from harvest_dagster.catalog.schema import IngestConfig
from harvest_dagster.cli.app import harvest
from harvest_dagster.testing.simulator import scenario
from harvest_dagster.transformers.schema import JSON_SCHEMA
from harvest_dagster_tests.test_readme import CODE, ROOT, blocks, documentation

# Blocks of commands that no test runs as they are, and what is tested instead.
NOT_RUN = {
    ("operating.md", "ALTER TABLE raw_datum"): "it is for PostgreSQL; revision 0020 executes the same",
    (
        "embedding.md",
        "dg scaffold defs",
    ): "it needs a project; orchestration/test_component.py runs it in one",
    (
        "embedding.md",
        "export HARVEST_SOURCES=",
    ): "it needs a project; catalog/test_source_files.py reads that of the examples",
    ("embedding.md", "harvest run demo"): "it needs a project; cli/test_run_definitions.py runs it in one",
    (
        "simulator.md",
        "python -m harvest_dagster.simulator",
    ): "it serves until it is stopped; its behaviours are parsed",
    ("operating.md", "dagster instance info"): "it prints the settings of a deployment",
    (
        "performance.md",
        "make bench",
    ): "it takes half an hour; test_bench.py runs a small one",
    ("operating.md", "HARVEST_NOTIFY="): "it is an environment for services; its URLs are parsed",
}
PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))
pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]


def untested(page: str, *languages: str) -> list[str]:
    """Return the texts of the blocks of a page that have no word, so that `test_readme` does not test them."""
    return [block.text for block in blocks(f"docs/{page}") if not block.word and block.language in languages]


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_tested_or_listed(page: str) -> None:
    """A block that nobody runs becomes wrong without notice."""
    for text in untested(page, "sh", "text", "toml", "xml"):
        assert any(file == page and text.startswith(start) for file, start in NOT_RUN), text
    known = {"sh", "yaml", "sql", "python", "toml", "xml", "json", "text"}
    # MyST writes its directives, such as the table of contents, as blocks.
    languages = {block.language for block in blocks(f"docs/{page}")}
    assert languages <= known


@pytest.fixture
def place(tmp_path: Path, migrated_sqlite: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a source `demo`, and a database without records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARVEST_SOURCES", str(tmp_path / "sources"))
    monkeypatch.setenv("HARVEST_DATABASE_URL", f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'h.db')}")
    (tmp_path / "sources").mkdir()
    for label in ("demo", "arxiv_cs"):
        source = {
            "label": label,
            "harvester": "oai",
            "harvester_kwargs": {"base_url": "https://example.org/oai"},
        }
        (tmp_path / "sources" / f"{label}.yaml").write_text(yaml.safe_dump(source))
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if untested(page, "python")])
def test_the_python_of_a_page_runs(place: Path, page: str) -> None:
    """People copy it. The blocks of a page continue each other."""
    namespace: dict[str, Any] = {"__name__": "page", "index": {}}
    for text in untested(page, "python"):
        exec(compile(text, page, "exec", dont_inherit=True), namespace)  # noqa: S102 - our own pages
        if (defs := namespace.get("defs")) is not None:
            assert defs.resolve_asset_graph().get_all_asset_keys()


@pytest.mark.parametrize("page", [page for page in PAGES if untested(page, "yaml")])
def test_the_yaml_of_a_page_is_valid(page: str) -> None:
    """People copy it into the file of a source, or into a defs.yaml."""
    validator = Draft202012Validator(HarvestSources.get_model_cls().model_json_schema())
    for text in untested(page, "yaml"):
        document = yaml.safe_load(text)
        if document.get("type") == "harvest_dagster.HarvestSources":
            assert not list(validator.iter_errors(document["attributes"]))
            continue
        kwargs = {"base_url": "https://example.org/oai"}
        assert IngestConfig.model_validate(
            {"label": "x", "harvester": "oai", "harvester_kwargs": kwargs, **document}
        )


@pytest.mark.parametrize("page", [page for page in PAGES if untested(page, "sql")])
def test_the_sql_of_a_page_runs(place: Path, page: str) -> None:
    """A column that was renamed makes the statement wrong."""
    with closing(sqlite3.connect(place / "h.db")) as connection:
        for text in untested(page, "sql"):
            connection.execute(text)


def test_the_document_of_the_guide_is_valid() -> None:
    """People write parsers for it."""
    schema = json.loads(JSON_SCHEMA.read_text(encoding="utf-8"))
    (text,) = untested("document.md", "json")
    Draft202012Validator(schema).validate(json.loads(text))


def test_the_arguments_of_the_commands_that_are_not_run_are_valid() -> None:
    """A behaviour or a URL that is misspelt would be found by the first reader."""
    (simulator,) = untested("simulator.md", "sh")
    words = shlex.split(simulator)
    assert scenario.parse_behaviours([after for word, after in pairwise(words) if word == "--behaviour"])
    (urls,) = re.findall(r'HARVEST_NOTIFY="(.*)"', "".join(untested("operating.md", "sh")))
    assert all(Apprise().add(url) for url in urls.split())


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield each command line of `harvest` in a block of the documentation, with its page."""
    for page, text in documentation().items():
        for code in CODE.findall(text):
            if code.startswith("`") and not code.startswith("```"):
                continue  # inline code names commands without their arguments
            for line in code.replace("\\\n", " ").splitlines():
                found = re.match(r"\s*(?:\w+=\S+ )*harvest ([a-z].*)", line)
                # The usage lines of cli.md have brackets and alternatives.
                if found and not re.search(r"[\[|…]|\bLABEL\b|\bID\b", found[1]):
                    yield page, shlex.split(found[1], comments=True)


def test_the_options_of_every_command_line_exist() -> None:
    """A renamed option costs a reader the trust in the page."""
    checked = 0
    for page, arguments in commands():
        command: click.Command = harvest
        context = click.Context(harvest)
        while isinstance(command, click.Group) and arguments:
            found = command.get_command(context, arguments[0])
            assert found is not None, (page, arguments)
            del arguments[0]
            command = found
        command.make_context(command.name, arguments)  # raises UsageError
        checked += 1
    assert checked > 10

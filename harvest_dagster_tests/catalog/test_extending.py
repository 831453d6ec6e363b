"""Sources that extend a bundled source: what they take over, what overrides it, and where problems are."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from textwrap import dedent

import pytest

from harvest_dagster.catalog.bundled import BundledCatalog
from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.catalog.review import review_files

Load = Callable[..., Catalog]
LIBRARY = """\
label: library
name: A library
harvester: fake
harvester_kwargs: {base_url: "https://example.org/oai", pages: 3, part: {size: 7}}
transformer: fake
transformer_kwargs: {language: de}
rate_limit: {calls: 1, period: 3}
timeout: {read: 2m, connect: 5s}
schedule: "30 6 * * *"
tags: {field: physics}
facts: {from: ["https://example.org/notes"], unverified_since: 2026-11-23, terms: none known}
"""


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that loads the text of a user's file, with a bundled catalog that has one file."""
    for name in ("package", "mine"):
        (tmp_path / name).mkdir()
    (tmp_path / "package" / "library.yaml").write_text(LIBRARY)

    def _load(text: str, entries: tuple[str, ...] = ("mine",), package: str = LIBRARY) -> Catalog:
        (tmp_path / "mine" / "a.yaml").write_text(dedent(text))
        (tmp_path / "package" / "library.yaml").write_text(package)
        listed = os.pathsep.join(name if name == "bundled" else str(tmp_path / name) for name in entries)
        return load_catalog(listed, {}, BundledCatalog(tmp_path / "package"))

    return _load


def problems(catalog: Catalog) -> list[tuple[str, int, str]]:
    return [(Path(one.file).name, one.line, one.key) for one in catalog.problems]


def test_one_line_is_a_complete_source(load: Load) -> None:
    """It has the keys of the bundled source, its label and its schedule, and it is on."""
    catalog = load("extends: library")
    (config,) = catalog.configs
    assert (config.label, config.name, config.extends) == ("library", "A library", "library")
    assert config.harvester_kwargs["base_url"] == "https://example.org/oai"
    assert (config.schedule, config.disabled) == ("30 6 * * *", False)
    assert (Path(catalog.places["library"].file).name, catalog.problems) == ("a.yaml", ())
    assert catalog.bundled == frozenset()


def test_a_key_overrides_mappings_merge_and_null_removes(load: Load) -> None:
    """People write only what differs: another value in a mapping must not lose the others."""
    (config,) = load(
        """
        extends: library
        label: theses
        name: Theses
        harvester_kwargs: {prefix: marc, part: {size: 1}, pages: null}
        timeout: {read: 5m}
        tags: {level: phd}
        schedule: null
        """
    ).configs
    assert (config.label, config.name, config.schedule) == ("theses", "Theses", None)
    assert config.harvester_kwargs == {
        "base_url": "https://example.org/oai",
        "prefix": "marc",
        "part": {"size": 1},
    }
    assert (config.timeout.read.seconds, config.timeout.connect.seconds) == (300, 5)
    assert config.tags == {"field": "physics", "level": "phd"}


def test_another_plug_in_does_not_get_the_arguments_of_the_first(load: Load) -> None:
    """They would be unknown keys, which the user never wrote."""
    catalog = load(
        "extends: library\ntransformer: null\n---\nextends: library\nlabel: b\ntransformer: oai_dc"
    )
    assert catalog.problems == ()
    assert [(config.transformer, config.transformer_kwargs) for config in catalog.configs] == [
        ("oai_dc", {}),
        (None, {}),
    ]
    catalog = load("extends: library\nharvester: oai")
    assert problems(catalog) == [("a.yaml", 1, "harvester_kwargs.base_url")]


def test_two_sources_extend_the_same_one_with_different_labels(load: Load) -> None:
    """One repository, two sets. Without a label of its own, the second one is a duplicate at its own line."""
    catalog = load("extends: library\n---\nextends: library\nlabel: b\n---\nextends: library\n")
    assert [config.label for config in catalog.configs] == ["b", "library"]
    (problem,) = catalog.problems
    assert problems(catalog) == [("a.yaml", 6, "extends")]
    assert "a.yaml:1, which keeps it; add the key label" in problem.message


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("extends: libary", 1, "extends", "there is no bundled source 'libary'; did you mean 'library'"),
        ("label: x\nextends: 7", 2, "extends", "must be the label of a bundled source"),
        ("extends: library\nrate_limit: {calls: x}", 2, "rate_limit.calls", "must be a whole number"),
        ("extends: library\nrate_limt: {}", 2, "rate_limt", "did you mean 'rate_limit'"),
        ("extends: library\nharvester_kwargs:\n  pages: x", 3, "harvester_kwargs.pages", "must be a valid integer"),
        ("extends: library\nharvester_kwargs:\n  base_url:", 3, "harvester_kwargs.base_url", "is missing"),
        ("extends: library\nfacts: {}", 2, "facts", "is allowed only in the files of the package"),
        ("extends: library\nlabel: A b", 2, "label", "is not allowed"),
        ("extends: library\nlabel: b\nharvester_kwargs: null", 3, "harvester_kwargs.base_url", "is missing"),
    ],
)  # fmt: skip
def test_a_wrong_override_is_a_problem_in_the_users_file(
    load: Load, text: str, line: int, key: str, message: str
) -> None:
    """The user cannot correct the file of the package."""
    catalog = load(text)
    assert catalog.configs == ()
    found = [one for one in catalog.problems if one.key == key]
    assert [(Path(one.file).name, one.line) for one in found] == [("a.yaml", line)]
    assert message in found[0].message


@pytest.mark.parametrize(
    ("before", "after", "line", "key"),
    [
        ("pages: 3", "pages: x", 4, "harvester_kwargs.pages"),
        ("period: 3", "period: -1", 7, "rate_limit.period"),
        ("name: A library", "extends: library", 2, "extends"),
        ("name: A library", "name: A library\nname: B", 3, "name"),
        ("name: A library", "name: ]", 2, ""),
    ],
)
def test_an_error_in_the_bundled_file_names_that_file(
    load: Load, before: str, after: str, line: int, key: str
) -> None:
    """Otherwise people search in their own file. A bundled source extends no other one, so there are no cycles."""
    catalog = load("extends: library\nrate_limit: {calls: 2}", package=LIBRARY.replace(before, after))
    assert catalog.configs == ()
    assert problems(catalog) == [("library.yaml", line, key)]
    assert catalog.problems[0].label == "library"


@pytest.mark.parametrize("entries", [("mine", "bundled"), ("bundled", "mine")])
def test_bundled_sources_are_off_until_a_source_replaces_them(load: Load, entries: tuple[str, ...]) -> None:
    """Nobody harvests a source without wanting it; and a source of the user is never a duplicate of a bundled one."""
    (config,) = load("", ("bundled",)).configs
    assert (config.label, config.disabled, config.schedule) == ("library", True, None)
    catalog = load("extends: library\nlabel: theses", entries)
    assert [(one.label, one.disabled) for one in catalog.configs] == [("library", True), ("theses", False)]
    assert (catalog.bundled, catalog.warnings) == ({"library"}, ())
    for text in (
        "extends: library",
        "label: library\nharvester: fake\nharvester_kwargs: {base_url: 'https://a.org'}",
        "extends: library\nlabel: theses\nformer_labels: [library]",
    ):
        catalog = load(text, entries)
        assert [one.disabled for one in catalog.configs] == [False], text
        assert (catalog.problems, catalog.bundled) == ((), frozenset())
    catalog = load("extends: library\nrate_limt: 1", entries)
    assert (catalog.configs, problems(catalog)) == ((), [("a.yaml", 2, "rate_limt")])


def test_a_component_may_extend_a_bundled_source(tmp_path: Path) -> None:
    """The items of `sources` have the keys of a source's file."""
    text = "type: harvest_dagster.HarvestSources\nattributes:\n  sources:\n    - extends: zenodo\n"
    (tmp_path / "defs.yaml").write_text(f"{text}    - extends: hal\n      rate_limit: {{calls: 0}}\n")
    catalog = load_catalog(str(tmp_path), environ={})
    assert [config.label for config in catalog.configs] == ["zenodo"]
    assert catalog.of_components == {"zenodo", "hal"}
    assert problems(catalog) == [("defs.yaml", 6, "rate_limit.calls")]


def test_the_check_covers_what_is_taken_over(tmp_path: Path) -> None:
    """`harvest check` warns of two sources that ask for the same, but not of a bundled one that is off."""
    now = datetime(2026, 12, 1, tzinfo=timezone.utc)
    file = tmp_path / "a.yaml"
    file.write_text("extends: zenodo\n---\nextends: zenodo\nlabel: other\nearliest_date: 2030-01-01\n")
    review = review_files([file], now)
    assert [(one.line, one.key) for one in review.problems] == [(5, "earliest_date")]
    assert [(one.file, one.line) for one in review.warnings] == [(str(file), 1)]
    review = review_files([tmp_path, BundledCatalog().directory], now)
    assert len(review.warnings) == 1

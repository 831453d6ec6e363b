"""The sources that ship with the package: each file is complete, valid, and says where its facts come from."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harvest_dagster.catalog.bundled import (
    BUNDLED_DIRECTORY,
    FACTS,
    BundledCatalog,
    BundledSource,
    Facts,
)
from harvest_dagster.catalog.hosts import main_host
from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents
from harvest_dagster.masking import is_secret_name

SCHEMA_LINE = "# yaml-language-server: $schema=../bundled_source.schema.json"
OLDEST = date(2026, 11, 23)  # no file is older


@pytest.fixture(scope="module")
def sources() -> list[BundledSource]:
    return list(BundledCatalog().sources())


@pytest.fixture(scope="module")
def enabled(sources: list[BundledSource], tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Load each bundled source as a user enables it."""
    file = tmp_path_factory.mktemp("enabled") / "all.yaml"
    file.write_text("---\n".join(f"extends: {source.label}\n" for source in sources))
    return load_catalog(str(file), environ={})


def test_each_bundled_source_loads_enabled_and_on_the_shelf(
    sources: list[BundledSource], enabled: Catalog
) -> None:
    """A new user sees them first. Their arguments are validated with them."""
    labels = [source.label for source in sources]
    assert (enabled.problems, enabled.warnings) == ((), ())
    assert [config.label for config in enabled.configs] == labels
    shelf = load_catalog("bundled", environ={})
    assert (shelf.problems, shelf.warnings) == ((), ())
    assert [config.label for config in shelf.configs] == labels
    assert all(config.disabled and config.schedule is None for config in shelf.configs)
    assert shelf.bundled == set(labels)


def test_the_labels_that_are_found_without_parsing_are_those_of_the_documents() -> None:
    """`extends` finds a source by the text of its file, because parsing all of them takes time."""
    parsed: list[str] = []
    for file in BundledCatalog().files():
        for document in parse_documents(file.read_text(encoding="utf-8"), str(file)):
            assert isinstance(document, YamlDocument), document
            parsed.append(document.value["label"])
    assert sorted(parsed) == list(BundledCatalog().labels)


def test_each_bundled_source_says_where_its_facts_come_from(sources: list[BundledSource]) -> None:
    """The facts were written down without asking the source. People must see this, and since when."""
    for source in sources:
        facts = Facts.model_validate(source.facts)
        assert facts.unverified_since >= OLDEST, source.label
        assert all(" " in origin or urlsplit(origin).hostname for origin in facts.origins), source.label


def test_each_bundled_source_is_polite_and_has_a_known_host(enabled: Catalog) -> None:
    """Nobody harvests with a limit that the operator would not accept, or over http without need."""
    facts = {source.label: Facts.model_validate(source.facts) for source in BundledCatalog().sources()}
    for config in enabled.configs:
        assert main_host(config), config.label
        assert config.home_page, config.label
        assert config.name != config.label
        assert config.rate_limit.calls / config.rate_limit.period <= 1, config.label
        assert not config.disabled, config.label
        for url in _addresses(config.harvester_kwargs):
            assert url.startswith("https://") or facts[config.label].http_only, config.label


def test_the_bundled_sources_of_a_host_have_the_same_limit(enabled: Catalog) -> None:
    """The strictest one decides, so that a second limit would only mislead."""
    limits: dict[str | None, set[Any]] = defaultdict(set)
    for config in enabled.configs:
        limits[main_host(config)].add(config.rate_limit)
    assert {host: found for host, found in limits.items() if len(found) > 1} == {}


def test_no_bundled_source_contains_a_secret(sources: list[BundledSource]) -> None:
    """A secret of the author would be published, and a user could not know the variable that is needed."""
    for source in sources:
        assert not {"auth", "notify", "contact"} & source.document.value.keys(), source.label
        assert not any(is_secret_name(name) for name in source.document.value["harvester_kwargs"])


def test_each_file_names_its_schema_and_a_file_of_one_source_has_its_label() -> None:
    """An editor needs the first line to complete and validate the rest. Files of a platform have several documents."""
    for file in sorted(BUNDLED_DIRECTORY.iterdir()):
        assert file.suffix == ".yaml", file.name
        text = file.read_text(encoding="utf-8")
        assert text.splitlines()[0] == SCHEMA_LINE
        documents = list(parse_documents(text, file.name))
        if len(documents) == 1:
            assert isinstance(documents[0], YamlDocument)
            assert documents[0].value["label"] == file.stem


def test_a_file_may_have_several_documents(tmp_path: Path) -> None:
    """The repositories of one platform are easier to review in one file. Each has its own lines."""
    one = "label: {0}\nharvester: oai\nharvester_kwargs: {{base_url: 'https://{0}.org', {1}: x}}\n"
    text = f"# the platform\n---\n{one.format('a', 'set')}---\n{one.format('b', 'sett')}"
    (tmp_path / "platform.yaml").write_text(text)
    bundled = BundledCatalog(tmp_path)
    assert bundled.labels == ("a", "b")
    document = bundled.find("b")
    assert isinstance(document, YamlDocument)
    assert document.place(("harvester_kwargs", "sett")).line == 9
    catalog = load_catalog("bundled", {}, bundled)
    assert [config.label for config in catalog.configs] == ["a"]
    assert [(Path(one.file).name, one.line) for one in catalog.problems] == [("platform.yaml", 9)]


@pytest.mark.parametrize(
    "change",
    [
        {"from": []},
        {"from": [""]},
        {"unverified_since": "yesterday"},
        {"unverified_since": "2026-02-30"},
        {"terms": ""},
        {"checked": "never"},
    ],
)
def test_wrong_facts_are_refused(change: dict[str, Any]) -> None:
    """The test of the bundled files must be able to fail."""
    good = {"from": ["https://example.org"], "unverified_since": "2026-12-01", "terms": "none known"}
    assert Facts.model_validate(good).origins == ("https://example.org",)
    with pytest.raises(ValueError, match="Facts"):
        Facts.model_validate({**good, **change})


def test_the_facts_are_no_part_of_a_config(sources: list[BundledSource]) -> None:
    """They are for people: a new day of verification must not change a source."""
    assert all(FACTS not in source.document.value for source in sources)


def _addresses(value: Any) -> list[str]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [address for member in members for address in _addresses(member)]
    return [*found, value] if isinstance(value, str) and "://" in value else found

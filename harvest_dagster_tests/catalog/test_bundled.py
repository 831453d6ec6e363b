"""The sources that ship with the package: each file is complete, valid, and says where its facts come from."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

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
from harvest_dagster.plugins import BUILT_IN, TRANSFORMERS

SCHEMA_LINE = "# yaml-language-server: $schema=../bundled_source.schema.json"
GUIDE = Path(__file__).parents[2] / "docs" / "bundled-sources.md"
OLDEST = date(2020, 1, 1)  # the facts of no file are older

IN_ANOTHER_FORMAT = {"arxiv_raw"}  # the versions of `arxiv`, which has other facts in its format

# The transformer that reads the format of a metadata prefix.
TRANSFORMERS_OF_PREFIXES: dict[str, str | None] = {
    "MARC21-xml": "marcxml",
    "arXiv": "arxiv",
    "arXivRaw": "arxiv",
    "datacite4": "datacite",
    "dif": None,  # no transformer reads the Directory Interchange Format
    "edm": None,  # no transformer reads RDF
    "marcxml": "marcxml",
    "mods": "mods",
    "oai_datacite": "datacite",
    "oai_dc": "oai_dc",
    "oai_openaire": "oai_openaire",
    "pmc_fm": "jats",
}
# The transformer of a REST API, by its host. The others have a mapping.
TRANSFORMERS_OF_HOSTS = {
    "api.crossref.org": "crossref",
    "api.datacite.org": "datacite",
    "api.openalex.org": "openalex",
    "clinicaltrials.gov": "clinicaltrials",
    "www.ebi.ac.uk": "europepmc",
}


@pytest.fixture(scope="module")
def sources() -> list[BundledSource]:
    return list(BundledCatalog().sources())


@pytest.fixture(scope="module")
def enabled(sources: list[BundledSource], tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Load each bundled source as a user enables it."""
    file = tmp_path_factory.mktemp("enabled") / "all.yaml"
    file.write_text("---\n".join(f"extends: {source.label}\n" for source in sources))
    return load_catalog(str(file), environ={})


def test_each_bundled_source_loads_enabled_and_switched_off(
    sources: list[BundledSource], enabled: Catalog
) -> None:
    """A new user sees them first. Their arguments are validated with them."""
    labels = [source.label for source in sources]
    assert (enabled.problems, enabled.warnings) == ((), ())
    assert [config.label for config in enabled.configs] == labels
    listed = load_catalog("bundled", environ={})
    assert (listed.problems, listed.warnings) == ((), ())
    assert [config.label for config in listed.configs] == labels
    assert all(config.disabled and config.schedule is None for config in listed.configs)
    assert listed.bundled == set(labels)


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
        assert len(facts.terms) <= 110, f"{source.label}: the list shows the terms in one line"
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


def test_the_transformer_reads_the_format_that_is_harvested(enabled: Catalog) -> None:
    """Another one fails for each record, and a source without one only stores them."""
    wrong = {}
    for config in enabled.configs:
        assert config.harvester in ("oai", "rest")
        if config.harvester == "oai":
            expected = TRANSFORMERS_OF_PREFIXES[config.harvester_kwargs["metadata_prefix"]]
        else:
            expected = TRANSFORMERS_OF_HOSTS.get(main_host(config) or "", "mapping")
        if expected not in BUILT_IN[TRANSFORMERS]:
            expected = None
        if config.transformer != expected:
            wrong[config.label] = (config.transformer, expected)
    assert wrong == {}


def test_a_bundled_rest_api_is_asked_as_in_the_examples(enabled: Catalog) -> None:
    """The examples are tested with servers that answer as the APIs do. A difference is a mistake in one of the two."""
    examples = {
        kwargs["base_url"]: kwargs
        for file in (GUIDE.parents[1] / "examples" / "rest").glob("*.yaml")
        for kwargs in [yaml.safe_load(file.read_text(encoding="utf-8"))["harvester_kwargs"]]
    }
    compared = 0
    for config in enabled.configs:
        if example := examples.get(config.harvester_kwargs["base_url"]):
            compared += 1
            for name in (
                "method",
                "records",
                "identifier",
                "datestamp",
                "total",
                "next",
                "until",
                "granularity",
            ):
                assert config.harvester_kwargs.get(name) == example.get(name), (config.label, name)
            for part in ("params", "body"):
                for name, value in example.get(part, {}).items():
                    # A source may have more filters, and name the fields that it wants.
                    own = config.harvester_kwargs[part][name]
                    assert own == value or name == "fl" or str(value) in own, (config.label, name)
    assert compared >= 10


def test_two_sources_never_ask_for_the_same_records(enabled: Catalog) -> None:
    """A repository that is listed twice would be harvested twice, and have two labels for ever."""
    found = Counter(
        (
            config.harvester_kwargs["base_url"].partition("://")[2].rstrip("/").lower(),
            repr(_asked(config.harvester_kwargs)),
        )
        for config in enabled.configs
        if config.label not in IN_ANOTHER_FORMAT
    )
    assert [each for each, number in found.items() if number > 1] == []


def test_the_proposed_schedules_differ(enabled: Catalog) -> None:
    """Sources that a user enables together do not all start in the same minute."""
    found = Counter(config.schedule for config in enabled.configs)
    assert None not in found
    assert max(found.values()) <= 4, found.most_common(3)
    for schedule in found:  # a day that ended less than six hours ago is harvested again
        minute, hour, *others = str(schedule).split()
        assert (int(hour), int(minute)) > (6, 0)
        assert others == ["*"] * 3


def test_the_guide_lists_what_is_there(sources: list[BundledSource]) -> None:
    """The numbers of the guide and the README are those of the files."""
    files: dict[str, list[BundledSource]] = defaultdict(list)
    for source in sources:
        files[Path(source.document.file).name].append(source)
    rows = [
        f"| [{name}](../harvest_dagster/catalog/sources/{name}) | {len(found)} | {_formats(found)} |"
        for name, found in sorted(files.items())
    ]
    table = "\n".join(["| file | sources | formats |", "| --- | --- | --- |", *rows])
    text = GUIDE.read_text(encoding="utf-8")
    assert table in text, f"The table must be:\n{table}"
    old = sum(Facts.model_validate(source.facts).unverified_since.year == OLDEST.year for source in sources)
    assert f"The package has {len(sources)} sources in {len(files)} files." in text
    assert f"{old} of them come from a list" in text
    readme = (GUIDE.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"more than {(len(sources) - 1) // 50 * 50} [bundled sources]" in readme


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


def _formats(sources: list[BundledSource]) -> str:
    found = Counter(
        str(kwargs.get("metadata_prefix", kwargs.get("response", "json")))
        for kwargs in (source.document.value["harvester_kwargs"] for source in sources)
    )
    return ", ".join(f"`{name}`" for name, _ in sorted(found.items(), key=lambda one: (-one[1], one[0])))


def _asked(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return what decides which records a source delivers. A format is the same records in another form."""
    return {name: value for name, value in kwargs.items() if name in ("set", "params", "body")}


def _addresses(value: Any) -> list[str]:
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = [address for member in members for address in _addresses(member)]
    return [*found, value] if isinstance(value, str) and "://" in value else found

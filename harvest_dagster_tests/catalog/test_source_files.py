"""The sources in the `defs.yaml` of a Dagster component, read without Dagster."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import pytest
from jinja2.nativetypes import NativeTemplate

from harvest_dagster.catalog.loader import Catalog, load_catalog
from harvest_dagster.catalog.review import review_files
from harvest_dagster.catalog.source_files import component_sources
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents
from harvest_dagster.errors import UnknownIngestConfig

Component = Callable[..., Path]
SOURCE = """\
    - label: {label}
      harvester: fake
      harvester_kwargs: {{base_url: "http://127.0.0.1/", key: "{key}"}}
"""


@pytest.fixture
def component(tmp_path: Path) -> Component:
    """Write a component of a project into a folder of its own, and return its file."""

    def write(
        name: str = "library",
        kind: str = "harvest_dagster.HarvestSources",
        text: str | None = None,
        key: str = "x",
    ) -> Path:
        file = tmp_path / "defs" / name / "defs.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(
            text or f"type: {kind}\n\nattributes:\n  sources:\n{SOURCE.format(label=name, key=key)}"
        )
        return file

    return write


def load(path: Path, **environ: str) -> Catalog:
    return load_catalog(str(path), environ=environ)


def labels(catalog: Catalog) -> list[str]:
    return [config.label for config in catalog.configs]


def test_a_component_is_found_by_its_file_its_folder_and_the_folder_of_all(component: Component) -> None:
    """`harvest list` did not show the sources of a project that declares them in a component."""
    file = component()
    for entry in (file, file.parent, file.parent.parent):
        catalog = load(entry)
        assert labels(catalog) == ["library"]
        assert (catalog.places["library"].file, catalog.places["library"].line) == (str(file), 5)
        assert catalog.of_components == {"library"}
    assert labels(load(file.parent.parent.joinpath(".."))) == ["library"]
    listed = os.pathsep.join(map(str, (file, file.parent, file.parent.parent)))
    assert labels(load_catalog(listed, environ={})) == ["library"]


def test_the_example_project_has_its_source() -> None:
    """docs/embedding.md shows how its sources are listed."""
    project = Path(__file__).parents[2] / "examples" / "dagster_project"
    catalog = load(project / "src" / "dagster_project" / "defs")
    (source,) = catalog.configs
    assert (source.label, catalog.problems, catalog.warnings) == ("demo", (), ())
    assert source.harvester_kwargs["base_url"] == "http://127.0.0.1:8090/oai"
    review = review_files([project], datetime(2026, 1, 1, tzinfo=timezone.utc))
    assert ([config.label for config in review.configs], review.problems, review.warnings) == (
        ["demo"],
        (),
        (),
    )


def test_a_problem_names_the_line_in_the_file_of_the_component(component: Component) -> None:
    """The author edits defs.yaml, and searches there."""
    file = component(
        text="type: harvest_dagster.HarvestSources\nattributes:\n  sources:\n"
        + SOURCE.format(label="a", key="x")
        + "      disabled: 7\n"
    )
    (problem,) = load(file).problems
    assert (problem.file, problem.line, problem.key, problem.label) == (str(file), 7, "disabled", "a")


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("{{ env.HOST }}", "example.org"),
        ("https://{{ env('HOST') }}/oai", "https://example.org/oai"),
        ("{{ env('NOWHERE', 'other') }}", "other"),
        ("{{ env('NOWHERE', default='') }}", ""),
    ],
)
def test_templates_of_environment_variables_are_filled_in(
    component: Component, template: str, value: str
) -> None:
    """The example project has one. Without it, its source would ask a host called `{{`."""
    catalog = load(component(key=template), HOST="example.org")
    assert [config.harvester_kwargs["key"] for config in catalog.configs] == [value]


def test_a_filled_template_that_is_a_number_is_a_number(component: Component) -> None:
    """Dagster evaluates it, so `calls` is valid there."""
    rate = '      rate_limit: {calls: "{{ env.CALLS }}", period: 3}\n'
    text = "type: harvest_dagster.HarvestSources\nattributes:\n  sources:\n" + SOURCE.format(
        label="a", key="x"
    )
    (config,) = load(component(text=text + rate), CALLS="5").configs
    assert config.rate_limit.calls == 5


class _Environment:
    """What Dagster gives to its templates as `env`."""

    NUMBER, LIST, SPACE, ZERO = "5", "[1, 2]", " 5", "010"

    def __call__(self, name: str, default: str = "") -> str:
        return getattr(self, name, default)


@pytest.mark.parametrize(
    "template",
    [
        "{{ env.NUMBER }}",
        "{{env.LIST}}",
        "{{ env('SPACE') }}",
        " {{ env.NUMBER }}",
        "{{ env.NUMBER }} ",
        "{{ env.NUMBER }}{{ env.ZERO }}",
        "{{ env('ZERO') }}",
        "{{ env('X', 'a') }}/{{ env(\"X\", default='b c') }}",
    ],
)
def test_a_filled_template_has_the_value_that_dagster_gives_it(template: str) -> None:
    """The digest of the arguments would differ, and `harvest status` would show nothing that the project harvested."""
    names = {name: str(getattr(_Environment, name)) for name in ("NUMBER", "LIST", "SPACE", "ZERO")}
    text = f"type: x.Y\nattributes:\n  sources:\n  - {{harvester: fake, key: [{json.dumps(template)}]}}\n"
    (document,) = parse_documents(text, "defs.yaml")
    assert isinstance(document, YamlDocument)
    ((source, problems),) = component_sources(document, names)
    assert not problems
    assert source.value["key"] == [NativeTemplate(template).render(env=_Environment())]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ env.NOWHERE }}", "the environment variable NOWHERE is not set; set it"),
        ("{{ my_function() }}", "{{ my_function() }} is a template that only Dagster fills in"),
        ("{% if x %}", "is a template that only Dagster fills in"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_a_problem(
    component: Component, template: str, message: str
) -> None:
    """A guessed value would send requests to another host."""
    catalog = load(component(key=template))
    (problem,) = catalog.problems
    assert (problem.line, problem.key) == (7, "harvester_kwargs.key")
    assert message in problem.message
    with pytest.raises(UnknownIngestConfig, match="did not load"):
        catalog.get("library")


def test_a_component_without_a_list_of_sources_is_a_problem(component: Component) -> None:
    """An indentation that is wrong would otherwise make all sources disappear."""
    (problem,) = load(component(text="type: harvest_dagster.HarvestSources\nsources: []\n")).problems
    assert problem.key == "attributes.sources"
    assert "must be a list of sources" in problem.message


def test_a_subclass_of_the_component_has_sources_and_another_component_has_none(component: Component) -> None:
    """A project has components of other packages beside ours."""
    component(kind="my_project.Mine")
    component("other", text="type: dagster_dlt.DltLoadCollectionComponent\nattributes: {loads: []}\n")
    file = component("third", text="type: x.Y\nattributes: {sources: [{name: a}]}\n")
    catalog = load(file.parent.parent)
    assert (labels(catalog), catalog.problems) == (["library"], ())


def test_a_file_of_sources_may_be_called_defs_yaml(tmp_path: Path) -> None:
    """Such a file loaded before components were read."""
    (tmp_path / "defs.yaml").write_text(
        'label: a\nharvester: fake\nharvester_kwargs: {base_url: "http://x.example.org"}\n'
    )
    catalog = load(tmp_path)
    assert (labels(catalog), catalog.of_components) == (["a"], frozenset())


def test_the_catalog_without_components_keeps_the_other_sources(component: Component, tmp_path: Path) -> None:
    """The package would otherwise define assets that the project defines under other keys."""
    component("broken", key="{{ x }}")
    file = component()
    (tmp_path / "defs" / "plain.yaml").write_text(
        'label: plain\nharvester: fake\nharvester_kwargs: {base_url: "http://y.example.org"}\n'
    )
    catalog = load(file.parent.parent)
    assert labels(catalog) == ["library", "plain"]
    rest = catalog.without_components()
    assert (labels(rest), rest.problems, rest.broken) == (["plain"], (), {})


def test_the_error_about_an_unknown_label_names_what_was_searched(component: Component) -> None:
    """A person whose HARVEST_SOURCES is not set must see that only the bundled sources were searched."""
    file = component()
    with pytest.raises(
        UnknownIngestConfig, match=rf"Searched: {file}\. .* or the defs\.yaml of its component"
    ):
        load(file).get("demo")
    with pytest.raises(UnknownIngestConfig, match=r"Searched: bundled\."):
        load_catalog(environ={}).get("demo")

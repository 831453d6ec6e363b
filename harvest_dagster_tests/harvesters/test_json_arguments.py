"""The YAML of a JSON API: what is allowed, what each mistake is told, and that the guide tells all of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.harvesters.json_list_arguments import JsonListArguments, Next

GUIDE = Path(__file__).parents[2] / "docs" / "json.md"
GOOD = {
    "base_url": "https://api.test/works",
    "params": {"since": "{from}", "before": "{until}"},
    "records": "items",
    "identifier": "id",
    "next": {"by": "cursor", "path": "next", "param": "cursor"},
}


def problem(tmp_path: Path, **changed: Any) -> str:
    """What loading says of a file with these arguments."""
    kwargs = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    (tmp_path / "api.yaml").write_text(
        yaml.safe_dump({"label": "api", "harvester": "json", "harvester_kwargs": kwargs}), encoding="utf-8"
    )
    (found,) = load_catalog(str(tmp_path)).problems
    return str(found)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"records": None}, "harvester_kwargs.records: is missing"),
        ({"record": "items"}, "did you mean 'records'?"),
        ({"records": "items..x"}, "harvester_kwargs.records: "),
        ({"granularity": "hour"}, "harvester_kwargs.granularity: must be 'day' or 'second'"),
        ({"base_url": "ftp://api.test/"}, "base_url must be an http or https URL"),
        ({"base_url": "https://api.test/?key=1"}, "those go into params"),
        ({"base_url": "https://{from}.test/{next}"}, "base_url must name its host"),
        ({"params": {"since": "{from}"}}, "{until} must stand in params or base_url"),
        ({"params": None}, "{from} and {until} must stand in params or base_url"),
        ({"next": {"by": "cursor", "param": "c"}}, "next by cursor needs `path`"),
        ({"next": {"by": "cursor", "path": "next"}}, "next needs `param` or {next} in base_url"),
        ({"next": {"by": "link"}}, "next by link needs `path`"),
        ({"next": {"by": "link", "path": "next", "param": "c"}}, "the link holds all"),
        ({"next": {"by": "page", "param": "p", "path": "x"}}, "takes no `path`"),
        ({"next": {"by": "offset", "param": "p", "first": "*"}}, "`first` must be a whole number"),
        ({"next": {"by": "page", "param": "p", "end": "no_next"}}, "can end with an empty page only"),
        ({"next": {"by": "token"}}, "harvester_kwargs.next.by: must be 'cursor', 'link', 'page' or 'offset'"),
        ({"next": {"by": "page", "param": "since"}}, "params must not hold 'since'"),
        ({"identifier": []}, "harvester_kwargs.identifier: "),
        ({"headers": {"X-Key": "a\nb"}}, "the value of the header 'X-Key' holds a line break"),
        ({"headers": {"X Key": "a"}}, "the header 'X Key' has a name that HTTP does not allow"),
    ],
)
def test_each_mistake_is_told_where_it_is_and_what_is_allowed(tmp_path, changed, said) -> None:
    """A source that is described wrongly would harvest nothing, or the same page for ever."""
    assert said in problem(tmp_path, **changed)


def test_numbers_and_truth_values_may_stand_without_quotes() -> None:
    """YAML makes 100 and true of them; a URL has texts."""
    made = JsonListArguments.model_validate(
        {**GOOD, "params": {**GOOD["params"], "rows": 100, "full": True}, "identifier": ["source", "id"]}
    )
    assert (made.params["rows"], made.params["full"], made.identifier) == ("100", "true", ("source", "id"))


def test_the_guide_tells_every_argument_with_its_default() -> None:
    """An argument that nobody reads of is used by nobody."""
    text = GUIDE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", text, re.MULTILINE)
    told = {name: default.strip() for name, default in rows}
    fields = JsonListArguments.model_fields.items()
    assert told == {name: "" if field.is_required() else _shown(field.default) for name, field in fields}
    assert [name for name in Next.model_fields if name not in text] == []


def _shown(default: object) -> str:
    return f"`{str(default).lower()}`" if isinstance(default, (str, bool)) else "none"


def test_the_example_of_the_guide_is_the_source_that_comes_along() -> None:
    """Both say what was learnt of Crossref; one that is mended mends the other."""
    (example,) = re.findall(r"^```yaml \S+\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (bundled,) = (
        config for config in load_catalog("bundled").configs if config.label == "crossref_preprints"
    )
    assert yaml.safe_load(example)["harvester_kwargs"] == bundled.harvester_kwargs

"""The YAML of a REST API: allowed values, the error for each mistake, and the completeness of docs/rest.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.harvesters.rest.arguments import Deleted, Identifiers, Next, Parents, RestArguments
from harvest_dagster.harvesters.rest.details.arguments import Detail

GUIDE = Path(__file__).parents[3] / "docs" / "rest.md"
VALID = {
    "base_url": "https://api.test/works",
    "params": {"since": "{from}", "before": "{until}"},
    "records": "items",
    "identifier": "id",
    "next": {"by": "cursor", "path": "next", "param": "cursor"},
}


def problem(tmp_path: Path, **changed: Any) -> str:
    """Return the only problem of a file with these arguments."""
    kwargs = {name: value for name, value in {**VALID, **changed}.items() if value is not None}
    (tmp_path / "api.yaml").write_text(
        yaml.safe_dump({"label": "api", "harvester": "json", "harvester_kwargs": kwargs}), encoding="utf-8"
    )
    (found,) = load_catalog(str(tmp_path)).problems
    return str(found)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"records": None}, "harvester_kwargs.records: is missing"),
        ({"record": "items"}, "did you mean 'records'?"),
        ({"records": "items..x"}, "harvester_kwargs.records: "),
        ({"granularity": "hour"}, "harvester_kwargs.granularity: must be 'day' or 'second'"),
        ({"base_url": "ftp://api.test/"}, "base_url must be an http or https URL"),
        ({"base_url": "https://api.test/?key=1"}, "Put a query into params"),
        ({"base_url": "https://{from}.test/{next}"}, "base_url must name its host"),
        ({"sorted": "datestamp"}, "harvester_kwargs.sorted: needs `datestamp`"),
        ({"sorted": "id", "datestamp": "date"}, "harvester_kwargs.sorted: must be 'datestamp'"),
        ({"params": {"before": "{until}"}}, "params, body or base_url must contain {from}, and {until} if"),
        (
            {"params": {"since": "{from}", "to": "{untill}"}},
            "Did you mean {until}? If the braces are literal",
        ),
        (
            {"params": {"since": "{From:epoch}", "to": "{until}"}},
            "{From} is no placeholder. Did you mean {from}",
        ),
        (
            {"params": {"since": "{from}"}, "until": "exclusive"},
            "harvester_kwargs.until: has no effect without {until}",
        ),
        ({"params": None}, "A source without a filter by date needs `selective: false`"),
        ({"body": {"a": 1}}, "body needs `method: POST`"),
        ({"method": "PUT"}, "harvester_kwargs.method: must be 'GET' or 'POST'"),
        ({"method": "POST", "body": "text"}, "harvester_kwargs.body"),
        ({"params": {**VALID["params"], "n": "{next}"}}, "name the parameter in `param` of `next`"),
        (
            {"method": "POST", "body": {"n": "{next}"}},
            "next needs either `param` or {next} in base_url or body",
        ),
        (
            {"method": "POST", "body": {}, "headers": {"content-type": "application/x-www-form-urlencoded"}},
            "body is sent as JSON, and never as a form",
        ),
        (
            {"params": {"d": "{from:%m/%d/%Y}/{until:%x}"}},
            "harvester_kwargs.params: {until:%x} has no format of a date",
        ),
        (
            {"method": "POST", "body": {"q": 'works(filter: {from:"2020"}){id}'}},
            'or write {{from:"2020"}} if the braces are literal',
        ),
        (
            {"base_url": "https://api.test/{from:epoc}"},
            "harvester_kwargs.base_url: {from:epoc} has no format of a date. Use epoch, epoch_ms",
        ),
        (
            {"base_url": "https://api.test/{next:%d}", "next": {"by": "page"}},
            "{next:%d} must not have a format: write {next}",
        ),
        (
            {"params": {"a": "{from:epoch}", "b": "{until:epoch_ms}"}},
            "{from:epoch}: a time needs granularity: second",
        ),
        (
            {"params": {"a": "{from:%Y-%m-%d}", "b": "{until:%Y-%m-%dT%H:%M:%S}"}},
            "{until:%Y-%m-%dT%H:%M:%S}: a time needs granularity: second",
        ),
        (
            {"params": {"a": "{from:%d}", "b": "{from:%Y}", "c": "{until}"}},
            "{from:%d}, {from:%Y}: the format must contain year, month and day",
        ),
        (
            {"params": {"a": "{from}", "b": "{until:%Y-%m-%d %H:%M}"}, "granularity": "second"},
            "granularity: second needs %H, %M and %S, too",
        ),
        ({"next": {"by": "cursor", "param": "c"}}, "next by cursor needs `path`"),
        ({"next": {"by": "cursor", "path": "next"}}, "next needs either `param` or {next} in base_url"),
        ({"next": {"by": "link"}}, "next by link needs `path`"),
        ({"next": {"by": "link", "path": "next", "param": "c"}}, "the link contains everything"),
        ({"next": {"by": "page", "param": "p", "path": "x"}}, "takes no `path`"),
        ({"next": {"by": "offset", "param": "p", "first": "*"}}, "`first` must be a whole number"),
        ({"next": {"by": "page", "param": "p", "end": "no_next"}}, "can only end with an empty page"),
        ({"next": {"by": "link_header", "path": "next"}}, "the link is in the header Link"),
        ({"next": {"by": "link_header", "param": "c"}}, "the link contains everything"),
        ({"params": {**VALID["params"], "f": []}}, "harvester_kwargs.params.f"),
        ({"next": {"by": "token"}}, "next.by: must be 'cursor', 'link', 'link_header', 'page' or 'offset'"),
        ({"next": {"by": "page", "param": "since"}}, "params must not contain 'since'"),
        ({"identifier": []}, "harvester_kwargs.identifier: "),
        ({"headers": {"X-Key": "a\nb"}}, "the value of the header 'X-Key' contains a line break"),
        ({"headers": {"X Key": "a"}}, "the header 'X Key' has a name that HTTP does not allow"),
    ],
)
def test_the_error_names_the_place_of_a_mistake_and_the_allowed_values(tmp_path, changed, message) -> None:
    """With a wrong description, a source would deliver nothing, or the same page forever."""
    assert message in problem(tmp_path, **changed)


def test_numbers_and_booleans_need_no_quotes() -> None:
    """YAML parses them as 100 and true. A URL contains texts."""
    parsed = RestArguments.model_validate(
        {**VALID, "params": {**VALID["params"], "rows": 100, "full": True}, "identifier": ["source", "id"]}
    )
    assert (parsed.params["rows"], parsed.params["full"]) == ("100", "true")
    assert parsed.identifier == ("source", "id")


def test_the_guide_documents_every_argument_with_its_default() -> None:
    """Nobody uses an argument that is not documented."""
    text = GUIDE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*?)\|", text, re.MULTILINE)
    documented = {name: default.strip() for name, default in rows}
    assert len(documented) == len(rows), "an argument has two rows"
    fields = RestArguments.model_fields.items()
    assert documented == {
        name: "" if field.is_required() else _shown(field.default) for name, field in fields
    }
    for model in (Next, Deleted, Detail, Identifiers, Parents):
        assert [name for name in model.model_fields if not re.search(rf"\b{name}\b", text)] == []


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if isinstance(default, str) else "none"


def test_the_example_in_the_guide_is_the_bundled_source() -> None:
    """Both describe Crossref, so a correction of one must also be made in the other."""
    example, *_ = re.findall(r"^```yaml \S+\n(.*?)^```$", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    (bundled,) = (
        config for config in load_catalog("bundled").configs if config.label == "crossref_preprints"
    )
    assert yaml.safe_load(example)["harvester_kwargs"] == bundled.harvester_kwargs

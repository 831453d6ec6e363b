"""The mappings in examples/rest, over recorded responses of these APIs.

Of OSF, only projects (nodes) were recorded: a preprint has the same attributes, and some more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import yaml

from harvest_dagster.records import Record
from harvest_dagster.transformers.formats.mapping.transformer import MappingTransformer
from harvest_dagster_tests.recorded import recordings, requires_recorded
from harvest_dagster_tests.test_readme import ROOT
from harvest_dagster_tests.transformers import accounting

pytestmark = requires_recorded


def transformer(label: str) -> MappingTransformer:
    source = yaml.safe_load((ROOT / "examples" / "rest" / f"{label}.yaml").read_text(encoding="utf-8"))
    return MappingTransformer(MappingTransformer.Arguments.model_validate(source["transformer_kwargs"]))


def pages(*folders: str) -> Iterator[Any]:
    """Yield the recorded pages of JSON."""
    for recording in recordings(*folders):
        if recording.file.endswith(".json"):
            try:
                yield json.loads(recording.body)
            except ValueError:
                continue


def doaj() -> Iterator[Any]:
    for page in pages("doaj_jaod"):
        if isinstance(page, dict):
            yield from (one for one in page.get("results", [page]) if "author" in one.get("bibjson", {}))


def osf() -> Iterator[Any]:
    for page in pages("osf_osfr"):
        data = page.get("data") if isinstance(page, dict) else None
        for item in data if isinstance(data, list) else [data]:
            if item and item.get("type") == "nodes":
                yield {key: value for key, value in item.items() if key != "relationships"}


def zenodo() -> Iterator[Any]:
    for page in pages("zenodo_rest_zenodomap"):
        for item in page["hits"]["hits"] if "hits" in page else [page]:
            item.pop("stats", None)  # the source declares it as `volatile`
            yield item


def biorxiv() -> Iterator[Any]:
    for page in pages("findpapers_2026_samples"):
        answers = (
            [one["raw_response"] for one in page if "raw_response" in one]
            if isinstance(page, list)
            else [page]
        )
        yield from (item for answer in answers for item in answer.get("collection", []) if "doi" in item)


def in_another_form(leaf: accounting.Leaf) -> bool:
    """Return whether the accounting cannot find a value: an instant with another zone, a list in one text."""
    return leaf.text.endswith("+00:00") or leaf.path == "authors"


SOURCES = {"doaj": doaj, "osf": osf, "zenodo": zenodo, "biorxiv": biorxiv}


def as_records(items: Iterable[Any]) -> Iterator[Record]:
    for item in items:
        blob = json.dumps(item, ensure_ascii=False, sort_keys=True)
        yield Record(str(item.get("id") or item.get("doi")), None, False, blob)


@pytest.mark.parametrize("label", SOURCES)
def test_no_value_of_a_recorded_record_is_lost(label: str) -> None:
    """People copy these mappings."""
    account = accounting.account_for(transformer(label), as_records(SOURCES[label]()), in_another_form)
    accounting.check(f"mapping_{label}", account)
    assert account.failures == {}


def test_every_author_of_biorxiv_is_a_creator() -> None:
    """They are in one text, which the count above cannot follow."""
    mapping = transformer("biorxiv")
    for record in as_records(biorxiv()):
        names = [agent.name for agent in mapping.transform(record.identifier, record.blob).creators]
        authors = " ".join(json.loads(record.blob)["authors"].split()).split(";")
        assert names == [author.strip() for author in authors if author.strip()]

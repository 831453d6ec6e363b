"""The accounting of values notices what a transformer loses."""

from __future__ import annotations

import pytest

from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Agent, Date, Document, Identifier, Title, Unmapped
from harvest_dagster.transformers.formats.oai_dc.transformer import OaiDcTransformer
from harvest_dagster.transformers.interface import Arguments, Transformer
from harvest_dagster_tests.recorded import requires_recorded
from harvest_dagster_tests.transformers.accounting import Leaf, account_for, check, leaves
from harvest_dagster_tests.transformers.formats.test_recorded_dublin_core import _CONTAINER, FOLDERS, records

JSON = '{"a": "One  two", "b": [{"c": 3}, {"c": true, "d": null}], "e": 1.10}'
XML = '<r xmlns:x="urn:x"><a x:k="v">One <i>two</i> three</a><b/></r>'


class Fixed(Transformer):
    """Returns the same document for each datum."""

    document = Document("1")

    def transform(self, identifier: str, datum: str) -> Document:  # noqa: ARG002
        return self.document


def test_each_value_of_json_is_a_leaf() -> None:
    assert list(leaves(JSON)) == [
        Leaf("a", "One two"),
        Leaf("b.c", "3"),
        Leaf("b.c", "true"),
        Leaf("e", "1.10"),
    ]


def test_each_text_and_attribute_of_xml_is_a_leaf() -> None:
    assert list(leaves(XML)) == [
        Leaf("/r/a/@k", "v"),
        Leaf("/r/a", "One"),
        Leaf("/r/a/i", "two"),
        Leaf("/r/a", "three"),
    ]


def test_a_lost_value_is_found() -> None:
    transformer = Fixed(Arguments())
    transformer.document = Document("1", titles=(Title("One two"),), unmapped=(Unmapped("b[0].c", "3"),))
    account = account_for(transformer, [Record("1", None, False, JSON)])
    assert account.leaves == {"field": 1, "unmapped": 1, "nothing": 2}
    assert [leaf.path for _, leaf in account.lost] == ["b.c", "e"]
    assert account.fields["titles"] == 1
    assert account.fields["titles.text"] == 1


def test_values_in_a_normal_form_are_found() -> None:
    datum = (
        '{"doi": "https://doi.org/10.1000/ABC", "day": [2019, 3, 1], "name": "DOE, Jane", "at": "20190301"}'
    )
    transformer = Fixed(Arguments())
    transformer.document = Document(
        "1",
        creators=(Agent("Doe, Jane"),),
        dates=(Date("2019-03-01"),),
        identifiers=(Identifier("doi", "10.1000/abc"),),
    )
    assert account_for(transformer, [Record("1", None, False, datum)]).lost == []


@pytest.mark.slow
@requires_recorded
def test_oai_dc_loses_no_value_of_the_corpus() -> None:
    every = [record for folder in FOLDERS for record in records(folder)]
    dublin_core = [one for one in every if _CONTAINER.partition("}")[0][1:] in one.blob and not one.deleted]
    check("oai_dc", account_for(OaiDcTransformer(Arguments()), dublin_core))

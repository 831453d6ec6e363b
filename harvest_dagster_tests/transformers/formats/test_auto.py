"""`auto` chooses the transformer of a record's format, and says what it chose."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster import plugins
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.formats import auto
from harvest_dagster.transformers.formats.auto import AutoTransformer, choose
from harvest_dagster_tests.recorded import DATA, requires_recorded
from harvest_dagster_tests.test_readme import ROOT
from harvest_dagster_tests.transformers.formats.test_recorded_dublin_core import records

OAI = 'xmlns:oai="http://www.openarchives.org/OAI/2.0/"'

XML = [
    ("oai_dc", '<oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/"/>'),
    ("oai_dc", '<oai_dc:dc xmlns:oai_dc="https://www.openarchives.org/OAI/2.0/oai_dc/"/>'),
    ("oai_dc", '<q:qualifieddc xmlns:q="urn:q"/>'),
    ("oai_dc", "<dc/>"),
    ("datacite", '<resource xmlns="http://datacite.org/schema/kernel-4"/>'),
    ("datacite", '<o:oai_datacite xmlns:o="http://schema.datacite.org/oai/oai-1.1/"/>'),
    ("marcxml", '<marc:record xmlns:marc="http://www.loc.gov/MARC21/slim"/>'),
    ("marcxml", "<record><leader>00000nam</leader></record>"),
    ("mods", '<mods:mods xmlns:mods="http://www.loc.gov/mods/v3"/>'),
    ("jats", "<article/>"),
    ("jats", '<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.3/"/>'),
    ("jats", '<a:article xmlns:a="http://dtd.nlm.nih.gov/2.0/xsd/archivearticle"/>'),
    ("arxiv", '<arxiv_raw:arXivRaw xmlns:arxiv_raw="http://arxiv.org/OAI/arXivRaw/"/>'),
    ("oai_openaire", '<oaire:resource xmlns:oaire="http://namespace.openaire.eu/schema/oaire/"/>'),
    ("feed", '<entry xmlns="http://www.w3.org/2005/Atom"><id>urn:x</id></entry>'),
    ("feed", "<item><title>A</title></item>"),
    ("arxiv", '<entry xmlns="http://www.w3.org/2005/Atom"><id>http://arxiv.org/abs/0706.0001v1</id></entry>'),
    ("dcat", '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'),
    ("clinicaltrials", "<clinical_study/>"),
]
JSON = [
    ("datacite", {"type": "dois", "id": "10.1/x", "attributes": {}}),
    ("crossref", {"DOI": "10.1/x", "member": "1", "prefix": "10.1"}),
    ("openalex", {"id": "https://openalex.org/W1", "title": "A"}),
    ("clinicaltrials", {"protocolSection": {}}),
    ("europepmc", {"id": "1", "source": "MED", "title": "A", "isOpenAccess": "N"}),
    ("schema_org", {"@context": "https://schema.org", "@type": "Dataset"}),
    ("dcat", {"@context": {"dcat": "http://www.w3.org/ns/dcat#"}, "@type": "dcat:Dataset"}),
]


@pytest.mark.parametrize(("key", "element"), XML, ids=[element for _, element in XML])
def test_the_namespace_or_the_name_of_the_metadata_decides(key: str, element: str) -> None:
    assert choose(element) == key
    record = f"<oai:record {OAI}><oai:header/><oai:metadata>{element}</oai:metadata></oai:record>"
    assert choose(record) == key


@pytest.mark.parametrize(("key", "record"), JSON, ids=[key for key, _ in JSON])
def test_the_keys_of_a_json_record_decide(key: str, record: dict[str, object]) -> None:
    assert choose(json.dumps(record)) == key


def test_the_guide_lists_every_transformer() -> None:
    text = (ROOT / "docs/transformers.md").read_text(encoding="utf-8")
    table = text.partition("| `transformer` | reads |")[2].partition("\n\n")[0]
    listed = re.findall(r"^\| `([a-z_]+)` \|", table, re.MULTILINE)
    assert listed == sorted(plugins.BUILT_IN[plugins.TRANSFORMERS].keys() - {"mapping"})


def test_every_transformer_that_it_chooses_exists() -> None:
    keys = {*auto.NAMESPACES.values(), *auto.NAMES.values(), *(key for key, _ in JSON)}
    assert keys <= plugins.BUILT_IN[plugins.TRANSFORMERS].keys() - {"auto", "mapping"}


def test_its_version_follows_those_of_the_transformers_that_it_chooses_from() -> None:
    """Otherwise a new version of one of them would not transform the data of `auto` again."""
    keys = plugins.BUILT_IN[plugins.TRANSFORMERS].keys() - {"auto", "mapping"}
    assert sum(plugins.load(plugins.TRANSFORMERS, key).VERSION for key in keys) == AutoTransformer.VERSION


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        (
            '<d:DIF xmlns:d="http://gcmd.gsfc.nasa.gov/dif/"/>',
            r"known for <\{http://gcmd.*\}DIF>.*transformer: mapping",
        ),
        ('{"a": 1, "b": 2}', "known for a JSON object with the keys a, b"),
        ("[1]", "not a JSON object"),
        ("A text", "neither XML nor JSON: it begins with 'A text'"),
        ("", "neither XML nor JSON"),
    ],
)
def test_an_unknown_format_is_an_error_that_says_what_the_record_is(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        choose(datum)


def test_the_document_says_what_was_chosen() -> None:
    datum = (
        f'<oai:record {OAI}><oai:metadata><oai_dc:dc xmlns:oai_dc="http://www.openarchives.org/OAI/2.0/oai_dc/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>A</dc:title></oai_dc:dc></oai:metadata></oai:record>'
    )
    document = AutoTransformer(AutoTransformer.Arguments()).transform("1", datum)
    assert document.provenance.transformer == "oai_dc"
    assert document.provenance.format == "http://www.openarchives.org/OAI/2.0/oai_dc/"


@given(st.text() | st.text().map(lambda text: "{" + text) | st.text().map(lambda text: f"<{text}"))
def test_any_text_gives_a_key_or_a_transform_error(datum: str) -> None:
    with contextlib.suppress(TransformError):
        assert choose(datum) in plugins.BUILT_IN[plugins.TRANSFORMERS]


@requires_recorded
def test_every_recorded_record_of_oai_pmh_gets_the_transformer_of_its_format() -> None:
    chosen: Counter[str] = Counter()
    for folder in sorted(path.name for path in DATA.iterdir() if path.is_dir()):
        for record in records(folder):
            if not record.deleted:
                try:
                    chosen[choose(record.blob)] += 1
                except TransformError as error:
                    chosen[str(error)[:60]] += 1
    assert chosen == {
        "oai_dc": 13795,
        "datacite": 60,
        "marcxml": 7,
        # A client's tests made these three, and one server sends DIF.
        "no transformer is known for <{http://www.openarchives.org/OA": 3,
        "no transformer is known for <{http://gcmd.gsfc.nasa.gov/Abou": 1,
    }


def test_deep_json_gives_a_key_or_a_transform_error() -> None:
    """A RecursionError would say nothing about the record."""
    for depth in (500, 1000, 100_000):
        with contextlib.suppress(TransformError):
            choose('{"@context": "https://schema.org", "a": ' + "[" * depth + "]" * depth + "}")

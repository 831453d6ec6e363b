"""The transformer `mapping`: rules, paths, and the errors for the author of the YAML."""

from __future__ import annotations

import contextlib
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harvest_dagster.catalog.loader import load_catalog
from harvest_dagster.errors import TransformError
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.mapping.shapes import Shape, shape_of
from harvest_dagster.transformers.formats.mapping.transformer import MappingTransformer
from harvest_dagster_tests.test_readme import ROOT, blocks

PAGE = "docs/transformers.md"


def mapping(fields: dict[str, Any], **others: Any) -> MappingTransformer:
    return MappingTransformer(MappingTransformer.Arguments.model_validate({"fields": fields, **others}))


def transform(fields: dict[str, Any], datum: Any, **others: Any) -> dict[str, Any]:
    """Return the fields of a document that have a value."""
    text = datum if isinstance(datum, str) else json.dumps(datum)
    return with_values(mapping(fields, **others).transform("1", text))


def with_values(document: Document) -> dict[str, Any]:
    left_out = {"provenance", "schema_version"}
    return {key: value for key, value in document.as_dict().items() if value and key not in left_out}


def marked(language: str, word: str) -> str:
    (text,) = (block.text for block in blocks(PAGE) if (block.language, block.word) == (language, word))
    return text


@pytest.mark.parametrize("word", ["mapping-csv", "mapping-json", "mapping-xml"])
def test_the_examples_of_the_guide_give_their_documents(word: str, tmp_path: Path) -> None:
    """People copy them."""
    (tmp_path / "source.yaml").write_text(marked("yaml", word), encoding="utf-8")
    catalog = load_catalog(str(tmp_path))
    assert catalog.problems == ()
    source = yaml.safe_load(marked("yaml", word))
    transformer = mapping(**source["transformer_kwargs"])
    expected = json.loads(marked("json", word))
    data = {
        "mapping-csv": lambda: json.dumps(next(csv.DictReader(marked("text", word).splitlines()))),
        "mapping-json": lambda: marked("json", "mapping-json-datum"),
        "mapping-xml": lambda: marked("xml", word),
    }
    assert with_values(transformer.transform(expected["id"], data[word]())) == expected


def test_the_guide_lists_the_keys_of_each_item() -> None:
    """The table is what an author of a mapping reads."""
    text = (ROOT / PAGE).read_text(encoding="utf-8")
    for row in item_rows():
        assert row in text, row


def item_rows() -> list[str]:
    """Return the rows of the table of items in the guide."""
    used: dict[str, list[str]] = {}
    shapes: dict[str, Shape] = {}
    for key, (shape, _) in sorted(shape_of(Document).items.items()):
        used.setdefault(shape.type.__name__, []).append(f"`{key}`")
        collect(shape, shapes)
    return [
        f"| {name} | {', '.join(used.get(name, ['in other items']))} | {f'`{shape.main}`' if shape.main else 'none'} | "
        f"{', '.join(f'`{key}`' for key in shape.keys if key != shape.main)} |"
        for name, shape in sorted(shapes.items())
    ]


def collect(shape: Shape, shapes: dict[str, Shape]) -> None:
    shapes[shape.type.__name__] = shape
    for inner, _ in shape.items.values():
        collect(inner, shapes)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a.b", ["1"]),
        ("list.n", ["x", "y"]),
        ("list[*].n", ["x", "y"]),
        ("list.1.n", ["y"]),
        ("list.5.n", None),
        ("with.dot", ["z"]),
        ("nested", ["p", "q"]),
        ("$.list[?@.n == 'y'].n", ["y"]),
        ("$..n", ["x", "y"]),
        ("truth", ["true"]),
        ("a", None),
        ("number", ["1.10"]),
    ],
)
def test_a_path_leads_to_texts(path: str, expected: list[str] | None) -> None:
    datum = (
        '{"a": {"b": 1}, "list": [{"n": "x"}, {"n": "y"}], "with.dot": "z", "nested": [["p"], ["q"]], "truth": true, '
        '"number": 1.10, "t": "T"}'
    )
    document = transform({"titles": "t", "subjects": path}, datum)
    found = [subject["text"] for subject in document.get("subjects", [])]
    assert found == (expected or [])


def test_a_value_may_go_into_two_fields() -> None:
    document = transform({"titles": "t", "descriptions": "t"}, {"t": "T"})
    assert (document["titles"], document["descriptions"]) == ([{"text": "T"}], [{"text": "T"}])
    assert "unmapped" not in document


def test_an_item_that_cannot_be_made_leaves_its_values_in_unmapped() -> None:
    """An agent without a name has no place in the document, but its ORCID must not be lost."""
    fields = {
        "titles": "t",
        "creators": {"each": "a", "name": "n", "identifiers": {"scheme": "orcid", "value": "o"}},
    }
    document = transform(fields, {"t": "T", "a": [{"o": "0000-0002-1825-0097"}]})
    assert "creators" not in document
    assert document["unmapped"] == [{"path": "a[0].o", "text": "0000-0002-1825-0097"}]


def test_constants_alone_make_no_item() -> None:
    document = transform({"titles": "t", "dates": {"value": "d", "role": "Issued"}}, {"t": "T"})
    assert "dates" not in document


def test_a_key_that_takes_one_text_leaves_the_others() -> None:
    document = transform({"titles": "t", "version": "v"}, {"t": "T", "v": ["1", "2"]})
    assert (document["version"], document["unmapped"]) == ("1", [{"path": "v[1]", "text": "2"}])


@pytest.mark.parametrize(
    ("rule", "datum", "expected"),
    [
        (
            {"year": "y", "month": "m", "role": "Issued"},
            {"y": 2020, "m": "4"},
            {"value": "2020-04", "text": "2020-4"},
        ),
        (
            {"year": "y", "month": "m", "role": "Issued"},
            {"y": 2020, "m": "0"},
            {"value": "2020", "text": "2020-0"},
        ),
        ({"start": "y", "end": "m", "role": "Issued"}, {"y": "2001", "m": "2003"}, {"value": "2001/2003"}),
        ({"start": "y", "role": "Issued"}, {"y": "2001"}, {"value": "2001/..", "text": "2001"}),
        (
            {"value": "y", "role": {"path": "m"}},
            {"y": "2001", "m": "dateIssued"},
            {"value": "2001", "role_text": "dateIssued"},
        ),
    ],
)
def test_a_date_may_be_in_parts(
    rule: dict[str, Any], datum: dict[str, Any], expected: dict[str, str]
) -> None:
    document = transform({"titles": "t", "dates": rule}, {"t": "T", **datum})
    assert document["dates"] == [{**expected, "role": "Issued"}]


def test_a_box_becomes_a_polygon() -> None:
    rule = {"west": "w", "south": "s", "east": "e", "north": "n"}
    datum = {"t": "T", "w": 8, "s": 47, "e": 9, "n": 48}
    document = transform({"titles": "t", "places": rule}, datum)
    assert document["places"] == [{"geometry": "POLYGON ((8 47, 9 47, 9 48, 8 48, 8 47))"}]


@pytest.mark.parametrize(
    ("scheme", "value", "expected"),
    [
        ("doi", "10.5555/A", ("doi", "10.5555/a", None)),
        ("pmid", "25881311", ("pmid", "25881311", None)),
        ("issn", "03785955", ("issn", "0378-5955", None)),
        ("orcid", "0000-0002-1825-0097", ("orcid", "0000-0002-1825-0097", None)),
        ("orcid", "none", ("other", "none", "orcid")),
        ("ror", "https://ror.org/02mhbdp94", ("ror", "02mhbdp94", None)),
        ("isni", "0000 0001 2103 2683", ("isni", "0000000121032683", None)),
        ("other", "B 12", ("other", "B 12", None)),
    ],
)
def test_a_scheme_gives_the_normal_form(
    scheme: str, value: str, expected: tuple[str, str, str | None]
) -> None:
    document = transform({"identifiers": {"scheme": scheme, "value": "v"}}, {"v": value})
    found = document["identifiers"][0]
    assert (found["scheme"], found["value"], found.get("scheme_text")) == expected


def test_a_word_that_is_replaced_stays_in_unmapped() -> None:
    """The schema has no field for the difference between the ISSN of the print edition and the other."""
    document = transform(
        {"identifiers": {"scheme": {"path": "s"}, "value": "v"}}, {"s": "eissn", "v": "0378-5955"}
    )
    assert document["identifiers"] == [{"scheme": "issn", "value": "0378-5955"}]
    assert document["unmapped"] == [{"path": "s", "text": "eissn"}]


def test_the_address_of_a_license_is_kept() -> None:
    datum = {"t": "T", "n": "CC BY 4.0", "u": "https://x.org/l"}
    document = transform({"titles": "t", "rights": {"text": "n", "license": "u"}}, datum)
    assert document["rights"] == [{"text": "CC BY 4.0", "license": "https://x.org/l"}]


def test_access_that_is_not_recognized_is_a_statement_about_rights() -> None:
    document = transform({"titles": "t", "access": {"path": "a"}}, {"t": "T", "a": "on request"})
    assert (document.get("access"), document["rights"]) == (None, [{"text": "on request"}])


def test_the_metadata_of_an_oai_record_is_the_root() -> None:
    datum = (
        '<record xmlns="http://www.openarchives.org/OAI/2.0/"><header><setSpec>s</setSpec></header><metadata>'
        '<x xmlns="urn:x"><t>T</t></x></metadata></record>'
    )
    for path in ("t", "x.t"):
        document = mapping({"titles": path}).transform("1", datum)
        assert (document.title, document.provenance.sets, document.provenance.format) == (
            "T",
            ("s",),
            "urn:x",
        )
        assert document.unmapped == ()


PROBLEMS = """
label: t
harvester: files
harvester_kwargs: {path: /data, format: csv, identifier: id}
transformer: mapping
transformer_kwargs:
  fields:
    titels: name
    titles: {text: a..b}
    creators: {each: "authors[0]", rol: x}
    dates: {value: issued, role: Isued}
    subjects: 3
    version: [a]
    publishers: {name: {constant: 4}}
    rights: {text: "$.a[?"}
    languages: {path: a, split: ""}
    formats: {}
    provenance: a
    descriptions: {text: a, role: " "}
"""


def test_the_check_reports_each_mistake_with_its_line_and_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(PROBLEMS, encoding="utf-8")
    found = {
        (one.line, one.key.removeprefix("transformer_kwargs.fields.")): one.message
        for one in load_catalog(str(tmp_path)).problems
    }
    expected = {
        (8, "titels"): "did you mean 'titles'?",
        (9, "titles.text"): "a name is missing before or after a dot",
        (10, "creators.each"): "`.0`; or use JSONPath",
        (10, "creators.rol"): "did you mean 'role'?",
        (11, "dates.role"): "must be one of: Accepted, Available",
        (12, "subjects"): "code, language, text, uri, vocabulary, each, split",
        (13, "version"): "must be a path, {constant: TEXT} or {path: PATH}",
        (14, "publishers.name"): "must be a path, {constant: TEXT} or {path: PATH}",
        (15, "rights.text"): "is not valid JSONPath",
        (16, "languages.split"): "must be the text between two values",
        (17, "formats"): "must be a mapping with some of these keys",
        (18, "provenance"): "must be a mapping with some of these keys: agencies",
        (19, "descriptions.role"): "must be any word",
    }
    assert found.keys() == expected.keys()
    for place, part in expected.items():
        assert part in found[place], (place, found[place])


def test_a_mapping_without_fields_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one field"):
        mapping({})


def test_checking_the_rules_imports_neither_lxml_nor_jsonpath() -> None:
    """The catalog of each process checks them."""
    code = (
        "import sys; from harvest_dagster.transformers.formats.mapping.transformer import MappingTransformer as M;"
        "M.Arguments(fields={'titles': 'a.b'}); assert not {'lxml', 'jsonpath', 'rdflib'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("path", "datum", "reason"),
    [
        ("t", "[]", "JSON list, not an object"),
        ("t", "x", "is not JSON"),
        ("t", "<x", "not well-formed XML"),
        ("$.a", "<x><t>T</t></x>", "the record is XML"),
        ("t", {"a": "b"}, "recognizes nothing in the record, only a"),
    ],
)
def test_the_error_gives_the_reason(path: str, datum: Any, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        transform({"titles": path}, datum)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


@given(st.text(max_size=20) | st.dictionaries(st.sampled_from("abc"), _JSON, max_size=3).map(json.dumps))
def test_any_text_gives_a_document_or_a_transform_error(datum: str) -> None:
    rules = {"each": "a", "name": "b", "identifiers": "c", "affiliations": "$..c"}
    transformer = mapping({"titles": "a", "creators": rules, "dates": "b.c", "related": "c", "rights": "b"})
    with contextlib.suppress(TransformError):
        assert transformer.transform("1", datum).to_json()

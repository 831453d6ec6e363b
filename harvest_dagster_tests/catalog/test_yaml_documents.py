"""YAML text to values and lines."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.problems import Problem
from harvest_dagster.catalog.yaml_documents import YamlDocument, parse_documents

FILE = "a.yaml"


def read(text: str) -> tuple[list[YamlDocument], list[Problem]]:
    found = list(parse_documents(text, FILE))
    documents = [each for each in found if isinstance(each, YamlDocument)]
    problems = [each for each in found if isinstance(each, Problem)]
    return documents, problems + [problem for document in documents for problem in document.problems]


def value(text: str) -> Any:
    (document,), problems = read(text)
    assert not problems
    return document.value


NUMBERS = st.integers(-(10**18) + 1, 10**18 - 1) | st.floats(allow_nan=False, allow_infinity=False)
# JSON allows control characters only as escapes. YAML 1.2, section 5.1, excludes U+FFFE and U+FFFF.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
# PyYAML quotes these by the rules of YAML 1.1. 1e3 and 09 are left out: PyYAML does not quote them, and they are
# numbers in YAML 1.2.
WORDS = st.sampled_from(
    ["no", "Yes", "on", "null", "~", "true", "2005-09-16", "1:30", "0x1F", "010", "7", "7.0"]
)
PLAIN = st.text("abn o:#-,'\"\n{}[]&*!|>%@é")


def _tree(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(leaves, lambda each: st.lists(each) | st.dictionaries(keys, each), max_leaves=8)
    return st.dictionaries(keys, inner, min_size=1)


@given(_tree(st.none() | st.booleans() | NUMBERS | WORDS | PLAIN, WORDS | PLAIN))
def test_parsing_reverses_the_dump_of_pyyaml(written: dict[str, Any]) -> None:
    """Programs also write these files, with PyYAML. `no` must not become false."""
    assert value(yaml.safe_dump(written, allow_unicode=True)) == written


@given(_tree(st.none() | st.booleans() | NUMBERS | TEXT, TEXT))
def test_json_is_yaml(written: dict[str, Any]) -> None:
    """Every JSON document is a YAML 1.2 document, and `jq` also writes these files."""
    assert value(json.dumps(written, ensure_ascii=False)) == written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("null", None),
        ("'null'", "null"),
        ("7", 7),
        ("-7", -7),
        ("010", 10),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1234567890123456789", "1234567890123456789"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2005-09-16", "2005-09-16"),
        ("!!str 7", "7"),
        ("'7'", "7"),
        ("<<", "<<"),
        ("=", "="),
    ],
)
def test_plain_values_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    """In YAML 1.1, `country: no` is false and 010 is 8, and the editor does not warn."""
    assert value(f"key: {text}") == {"key": expected}


def test_an_alias_repeats_its_anchor() -> None:
    """Two configs may share a part of their arguments."""
    assert value("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "---\n---\n...\n", "--- # a\n", "null", "\ufeff"])
def test_empty_documents_are_left_out(text: str) -> None:
    """People disable a source by commenting out its file."""
    assert read(text.lstrip("\ufeff")) == ([], [])


def test_lines_are_counted_from_the_start_of_the_file() -> None:
    """A file may contain several documents."""
    text = "# first\na: 1\nb:\n  c: [1,\n    2]\n---\n\na: 2\n...\n# third\n--- {a: 3,\n b: 4}\n"
    (first, second, third), _ = read(text)
    assert [first.line(path) for path in [(), ("a",), ("b",), ("b", "c"), ("b", "c", 0), ("b", "c", 1)]] == [
        2,
        2,
        3,
        4,
        4,
        5,
    ]
    assert second.line(("a",)) == 8
    assert [third.line(path) for path in [("a",), ("b",)]] == [11, 12]


def test_a_missing_key_has_the_line_of_its_parent() -> None:
    """The problem must point to the place where the key belongs."""
    (document,), _ = read("\na: 1\nb:\n  c: 2\n")
    assert document.line(("zzz",)) == 2
    assert document.line(("b", "zzz", "y")) == 3
    assert document.line(("a", "zzz")) == 2


@pytest.mark.parametrize(
    ("text", "line", "key", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a", "is a duplicate key"),
        ("x:\n  - {a: 1, a: 2}", 2, "x[0].a", "is a duplicate key"),
        ("a: 1\n7: 2", 2, "", "the key 7 is not text; put it in quotes"),
        ("true: 2", 1, "", "the key True is not text"),
        ("a: 1\n? [b]\n: 2", 2, "", "is not text"),
        (
            "a: 1\nb: !!python/object/apply:os.getcwd []",
            2,
            "b",
            "tag tag:yaml.org,2002:python/object/apply:os.getcwd",
        ),
        ("a: !mine x", 1, "a", "the tag !mine is not allowed"),
        ("a: !!binary aGk=", 1, "a", "is not allowed"),
        ("a: !!set {b}", 1, "a", "is not allowed"),
        ("a: !!str [b]", 1, "a", "is not allowed"),
        ("a: !!map b", 1, "a", "is not allowed"),
        ("a: !!bool b", 1, "a", "'b' is not a valid bool"),
        ("a: !!int x", 1, "a", "'x' is not a valid int"),
        ("a: !!float x", 1, "a", "'x' is not a valid float"),
        ('a: "x\\0y"', 1, "a", "NUL"),
        ("a: 1\n\nb: [1\n", 4, "", "is not valid YAML: while parsing a flow sequence"),
        ("a: 1\n b: 2", 2, "", "is not valid YAML: "),
        ("a: 1\n\tb: 2", 2, "", "indent with spaces instead of tabs"),
        ("a: *nowhere", 1, "", "undefined alias"),
        ("a: @x", 1, "", "is not valid YAML: "),
        ("a: 1\nb: \x07", 2, "", "U+0007"),
        ("a: &x [*x]", 1, "a[0]", "contains itself"),
    ],
)
def test_invalid_yaml_is_reported_with_its_line_and_key(text: str, line: int, key: str, message: str) -> None:
    """PyYAML accepts the first few of these silently. Nobody finds the others without a line number."""
    _, problems = read(text)
    assert problems
    assert (problems[0].file, problems[0].line, problems[0].key) == (FILE, line, key)
    assert message in problems[0].message


@pytest.mark.parametrize(
    "broken", ["a: [1", "a: 'x", "a: @x", "{", "a: |\n  x\n y", "- a\nb: 1", "%BAD\na: 1"]
)
def test_a_syntax_error_in_one_document_does_not_affect_the_others(broken: str) -> None:
    """One typo in a file of fifty sources would stop all of them: docs/failures.md#one-bad-source-stops-all."""
    documents, problems = read(f"n: 1\n---\n{broken}\n---\nn: 3\n...\n%YAML 1.2\n--- # four\nn: 4\n")
    assert [document.value for document in documents] == [{"n": 1}, {"n": 3}, {"n": 4}]
    assert len(problems) == 1
    assert 3 <= problems[0].line <= 6


def test_dashes_inside_a_text_start_no_document() -> None:
    """A description in Markdown may contain a horizontal rule."""
    assert value("a: |\n  x\n  ---\n  y\nb: ----\n")["a"] == "x\n---\ny\n"


def test_very_deep_nesting_is_a_problem_of_its_document() -> None:
    """Such a document must end neither the process nor the loading of the other files."""
    documents, problems = read("[" * 5000 + "]" * 5000 + "\n---\na: 1\n")
    assert [document.value for document in documents] == [{"a": 1}]
    assert problems[0].line == 1


def test_the_result_is_the_same_without_libyaml() -> None:
    """PyYAML may lack its compiled part. Then it must only be slower."""
    program = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "import yaml; assert not yaml.__with_libyaml__\n"
        "from harvest_dagster.catalog.yaml_documents import *\n"
        "found = list(parse_documents('a: no\\nb: [1, x]\\na: 2\\n---\\n[1\\n---\\nc: 010\\n', 'f'))\n"
        "def seen(d):\n"
        "    return (d.value, d.line(('b', 1)), len(d.problems)) if isinstance(d, YamlDocument) else d.line\n"
        "print([seen(each) for each in found])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[({'a': 2, 'b': [1, 'x']}, 2, 1), 6, ({'c': 10}, 7, 0)]"


def test_aliases_of_aliases_are_one_problem_and_not_a_billion_values() -> None:
    """One kilobyte of YAML took all memory when the values were copied ("billion laughs")."""
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    (document,) = parse_documents("\n".join(levels), "laughs.yaml")
    (problem,) = document.problems
    assert document.value is None
    assert "values after its aliases are expanded, and at most 100,000 are allowed" in str(problem)


def test_an_alias_that_is_used_some_times_is_allowed() -> None:
    """Sources share their rate limit or their headers this way."""
    (document,) = parse_documents("a: &a {b: [1, 2]}\nc: *a\nd: [*a, *a]\n", "x.yaml")
    assert not document.problems
    assert document.value["d"] == [{"b": [1, 2]}] * 2

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

from harvest_dagster.catalog.documents import Document, read_documents
from harvest_dagster.catalog.problems import Problem

FILE = "a.yaml"


def read(text: str) -> tuple[list[Document], list[Problem]]:
    found = list(read_documents(text, FILE))
    documents = [each for each in found if isinstance(each, Document)]
    problems = [each for each in found if isinstance(each, Problem)]
    return documents, problems + [problem for document in documents for problem in document.problems]


def value(text: str) -> Any:
    (document,), problems = read(text)
    assert not problems
    return document.value


NUMBERS = st.integers(-(10**18) + 1, 10**18 - 1) | st.floats(allow_nan=False, allow_infinity=False)
# Control characters are JSON as escapes only.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]))
# Text that PyYAML quotes or not as YAML 1.1 wants it; 1e3 and 09 are left out, which it does not quote and
# which are numbers in YAML 1.2.
WORDS = st.sampled_from(
    ["no", "Yes", "on", "null", "~", "true", "2005-09-16", "1:30", "0x1F", "010", "7", "7.0"]
)
PLAIN = st.text("abn o:#-,'\"\n{}[]&*!|>%@é")


def _tree(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    inner = st.recursive(leaves, lambda each: st.lists(each) | st.dictionaries(keys, each), max_leaves=8)
    return st.dictionaries(keys, inner, min_size=1)


@given(_tree(st.none() | st.booleans() | NUMBERS | WORDS | PLAIN, WORDS | PLAIN))
def test_what_is_dumped_is_read_back(written: dict[str, Any]) -> None:
    """Programs write these files too, with PyYAML's dump; `no` must not become false on the way."""
    assert value(yaml.safe_dump(written, allow_unicode=True)) == written


@given(_tree(st.none() | st.booleans() | NUMBERS | TEXT, TEXT))
def test_json_is_yaml(written: dict[str, Any]) -> None:
    """Every JSON document is one of YAML 1.2, and `jq` writes files too."""
    assert value(json.dumps(written, ensure_ascii=False)) == written


@pytest.mark.parametrize(
    ("text", "meant"),
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
def test_plain_values_are_those_of_yaml_1_2(text: str, meant: object) -> None:
    """Under YAML 1.1 the tag `country: no` is false, 010 is 8, and the editor says nothing."""
    assert value(f"key: {text}") == {"key": meant}


def test_an_alias_repeats_its_anchor() -> None:
    """Two sets of arguments may share a part."""
    assert value("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing", "---\n---\n...\n", "--- # a\n", "null", "\ufeff"])
def test_empty_documents_are_left_out(text: str) -> None:
    """A file of comments is how people switch a source off."""
    assert read(text.lstrip("\ufeff")) == ([], [])


def test_every_document_knows_its_lines() -> None:
    """Counted from the file's first line, not the document's."""
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


def test_what_is_not_there_has_the_line_of_what_should_hold_it() -> None:
    """A missing key is reported where it belongs."""
    (document,), _ = read("\na: 1\nb:\n  c: 2\n")
    assert document.line(("zzz",)) == 2
    assert document.line(("b", "zzz", "y")) == 3
    assert document.line(("a", "zzz")) == 2


@pytest.mark.parametrize(
    ("text", "line", "key", "said"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a", "stands twice"),
        ("x:\n  - {a: 1, a: 2}", 2, "x[0].a", "stands twice"),
        ("a: 1\n7: 2", 2, "", "the key 7 is no text; put it in quotes"),
        ("true: 2", 1, "", "the key True is no text"),
        ("a: 1\n? [b]\n: 2", 2, "", "is no text"),
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
        ("a: !!bool b", 1, "a", "'b' is no bool"),
        ("a: !!int x", 1, "a", "'x' is no int"),
        ("a: !!float x", 1, "a", "'x' is no float"),
        ('a: "x\\0y"', 1, "a", "NUL"),
        ("a: 1\n\nb: [1\n", 4, "", "is no YAML: "),
        ("a: 1\n b: 2", 2, "", "is no YAML: "),
        ("a: 1\n\tb: 2", 2, "", "is no YAML: "),
        ("a: *nowhere", 1, "", "undefined alias"),
        ("a: @x", 1, "", "is no YAML: "),
        ("a: 1\nb: \x07", 2, "", "U+0007"),
        ("a: &x [*x]", 1, "a[0]", "holds itself"),
    ],
)
def test_what_is_wrong_as_yaml_is_reported_with_its_place(text: str, line: int, key: str, said: str) -> None:
    """PyYAML swallows the first few of these; nobody finds the others without a line."""
    _, problems = read(text)
    assert problems
    assert (problems[0].file, problems[0].line, problems[0].key) == (FILE, line, key)
    assert said in problems[0].message


@pytest.mark.parametrize(
    "broken", ["a: [1", "a: 'x", "a: @x", "{", "a: |\n  x\n y", "- a\nb: 1", "%BAD\na: 1"]
)
def test_a_broken_document_does_not_take_the_others_with_it(broken: str) -> None:
    """One typo in a file of fifty sources would stop forty-nine others (Lesson 15)."""
    documents, problems = read(f"n: 1\n---\n{broken}\n---\nn: 3\n...\n%YAML 1.2\n--- # four\nn: 4\n")
    assert [document.value for document in documents] == [{"n": 1}, {"n": 3}, {"n": 4}]
    assert len(problems) == 1
    assert 3 <= problems[0].line <= 6


def test_dashes_within_a_text_start_no_document() -> None:
    """A Markdown description may hold a rule."""
    assert value("a: |\n  x\n  ---\n  y\nb: ----\n")["a"] == "x\n---\ny\n"


def test_nesting_without_end_is_a_problem_of_its_document() -> None:
    """It must not end the process, nor the load."""
    documents, problems = read("[" * 5000 + "]" * 5000 + "\n---\na: 1\n")
    assert [document.value for document in documents] == [{"a": 1}]
    assert problems[0].line == 1


def test_without_libyaml_the_same_is_read() -> None:
    """Where PyYAML has no compiled part it is slower, and nothing else."""
    program = (
        "import sys; sys.modules['yaml._yaml'] = None\n"
        "import yaml; assert not yaml.__with_libyaml__\n"
        "from harvest_dagster.catalog.documents import *\n"
        "found = list(read_documents('a: no\\nb: [1, x]\\na: 2\\n---\\n[1\\n---\\nc: 010\\n', 'f'))\n"
        "def seen(d):\n"
        "    return (d.value, d.line(('b', 1)), len(d.problems)) if isinstance(d, Document) else d.line\n"
        "print([seen(each) for each in found])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[({'a': 2, 'b': [1, 'x']}, 2, 1), 6, ({'c': 10}, 7, 0)]"

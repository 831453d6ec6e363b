"""Paths into a page: dotted names and JSONPath (RFC 9535)."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import ProtocolError
from harvest_dagster.harvesters.formats.strict_json import canonical_json, parse_json
from harvest_dagster.harvesters.rest.paths import MISSING, find, look_up, matches, remove
from harvest_dagster.paths.syntax import parse_path
from harvest_dagster_tests.harvesters.rest.rest_sources import DAY, found, scripted

PAGE = parse_json(
    b"""{
        "@odata.nextLink": "L", "a": {"b.c": 1, "b": {"d": 2}}, "null": null, "list": [10, {"x": 11}],
        "links": [{"rel": "self", "href": "S"}, {"rel": "next", "href": "N"}],
        "items": [{"n": 3, "s": "q"}, {"n": 1.50, "s": "w"}, {"n": 100, "s": "e"}]
    }""",
    url="https://api.test",
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("@odata.nextLink", "L"),
        ("a.b.c", "1"),
        ("a.b.d", "2"),
        ("list.0", "10"),
        ("list.1.x", "11"),
        ("null", None),
        ("list.2", MISSING),
        ("list.x", MISSING),
        ("a.b.e", MISSING),
        ("null.x", MISSING),
        ("$", PAGE),
        ("$['@odata.nextLink']", "L"),
        ("$.a['b.c']", "1"),
        ("$.list[0]", "10"),
        ("$.list[-1].x", "11"),
        ("$.list['0']", MISSING),
        ("$['null']", None),
        ("$.links[?@.rel == 'next'].href", "N"),
        ("$.links[?@.rel == 'last'].href", MISSING),
        ("$..href", "S"),
        ("$.items[?@.n < 2].s", "w"),
        ("$.items[?@.n == 1.5].s", "w"),
        ("$.items[?@.n == '3'].s", MISSING),
        ("$.items[?@.n > 20].s", "e"),
        ("$.items[?length(@.n) == 1].s", MISSING),
        ("$.items[?match(@.s, '[a-q]')].s", "q"),
        ("$.items[?search(@.n, '3')].s", MISSING),
    ],
)
def test_a_path_can_name_any_key(path, value) -> None:
    """The key `@odata.nextLink` was read as two names, so each OData list ended after its first page, green.

    See docs/failures.md#keys-with-dots. Numbers are compared as numbers, although the parser keeps their text.
    """
    assert look_up(PAGE, path) == value
    assert find(PAGE, path) == (None if value is MISSING else value)


@pytest.mark.parametrize("path", ["$.a..", "$x", "$[", "$.a[?", "$['a'", "$.a | $.b", "$[?match(@.a)]"])
def test_a_wrong_jsonpath_is_an_error_before_the_harvest(path) -> None:
    """A path that matches nothing would look like the end of a list."""
    with pytest.raises(ValueError, match="is not valid JSONPath"):
        parse_path(path)


KEYS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]))


@given(KEYS, KEYS, st.integers() | st.text() | st.none())
def test_jsonpath_reaches_every_key(outer, inner, value) -> None:
    """Each Unicode text can be a key of an object. The library has no escapes for control characters."""
    document = {outer: {inner: value}, "other": 1} if outer != "other" else {outer: {inner: value}}
    path = "$" + "".join(f"['{_escaped(key)}']" for key in (outer, inner))
    assert list(matches(document, path)) == [((outer, inner), value)]


def _escaped(key: str) -> str:
    return key.replace("\\", "\\\\").replace("'", "\\'")


def test_the_page_itself_can_be_the_list() -> None:
    """Socrata, figshare, GitHub, OSTI and Omeka S send a list without an object around it."""
    item = {"id": "a", "changed": "2024-01-01"}
    offset = {"by": "offset", "param": "offset"}
    source = scripted([item, {**item, "id": "b"}], [], records="$", total=None, next=offset)
    assert found(source) == ["a", "b"]


@pytest.mark.parametrize("path", ["items", "*", "$.items"])
def test_the_error_says_how_to_name_a_page_that_is_the_list(path: str) -> None:
    """People tried an empty text, a dot and a star."""
    with pytest.raises(
        ProtocolError, match=r"The page is a list\. If the page itself is the list, write `records: \$`"
    ):
        found(scripted([{"id": "a"}], records=path))


@pytest.mark.parametrize(
    ("path", "identifiers"),
    [
        ("$.groups[*].items", ["a", "b", "c"]),
        ("$.groups[*].items[*]", ["a", "b", "c"]),
        ("$.groups[?@.kind == 'x'].items", ["a", "b"]),
        ("$.groups[*].items[?@.id != 'b']", ["a", "c"]),
        ("$.groups[-1:].items", ["c"]),
        ("$.groups[1].items", ["c"]),
    ],
)
def test_a_jsonpath_to_several_lists_or_records_finds_all_of_them(path, identifiers) -> None:
    page = {
        "groups": [{"kind": "x", "items": [{"id": "a"}, {"id": "b"}]}, {"kind": "y", "items": [{"id": "c"}]}],
        "next": None,
    }
    assert found(scripted(page, records=path)) == identifiers


@pytest.mark.parametrize(
    ("path", "last_page"),
    [
        ("$.items[?@.id != 'z']", {"items": [], "total": None}),
        ("$.items[*]", {"items": {}}),
        ("$.items.*", {"items": []}),
        ("$[?@.id]", []),
    ],
)
def test_a_jsonpath_that_selects_from_an_empty_list_finds_an_empty_page(path, last_page) -> None:
    """Every list by page or offset ends with such a page, and days without records have no other."""
    paging = {"by": "page", "param": "page"}
    first_page = [{"id": "a"}] if path.startswith("$[") else {"items": [{"id": "a"}]}
    assert found(scripted(first_page, last_page, records=path, next=paging)) == ["a"]
    assert found(scripted(last_page, records=path, next=paging)) == []


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("$.items[*].node", {"items": [{"id": "a"}]}),
        ("$.items[*]", {"things": []}),
        ("$[*]", {}),
        ("$.items[*]", {"items": [], "error": "busy"}),
    ],
)
def test_a_jsonpath_that_finds_nothing_elsewhere_is_an_error(path, page) -> None:
    """A wrong path, and an error in place of a list, would count as days without records."""
    with pytest.raises(ProtocolError):
        found(scripted(page, records=path))


@pytest.mark.parametrize("by", ["page", "offset"])
def test_a_counted_page_on_which_a_filter_finds_nothing_does_not_end_the_list(by) -> None:
    """The records of all later pages would be lost, and the window would look complete."""
    pages = [
        {"items": [{"id": "a", "type": "work"}, {"id": "b", "type": "work"}, {"id": "n", "type": "note"}]},
        {"items": [{"id": "m", "type": "note"}]},
        {"items": [{"id": "c", "type": "work"}]},
        {"items": []},
    ]
    source = scripted(*pages, records="$.items[?@.type == 'work']", next={"by": by, "param": "at"})
    with pytest.raises(ProtocolError, match="no list at"):
        found(source)


def test_a_linked_page_on_which_a_filter_finds_nothing_may_end_the_list() -> None:
    """The link says where a list goes on, so the last page may have no record that is wanted."""
    pages = [
        {"items": [{"id": "a", "type": "work"}], "total": None, "next": "https://api.test/works?page=2"},
        {"items": [{"id": "n", "type": "note"}], "next": None},
    ]
    paging = {"by": "link", "path": "next"}
    assert found(scripted(*pages, records="$.items[?@.type == 'work']", next=paging)) == ["a"]


def test_an_invalid_record_of_several_lists_is_quarantined_with_its_own_bytes() -> None:
    """A person who reads it must see what the source sent."""
    body = b'{"groups": [{"items": [{"id": "a"}]}, {"items": [{"id": "b"}, {"id" : null}]}], "next": null}'
    source = scripted(body, records="$.groups[*].items")
    (page,) = source.pages(DAY)
    *_, invalid = source.records(page, DAY)
    assert invalid.datum == b'{"id" : null}'


def test_volatile_values_can_be_removed_by_jsonpath() -> None:
    """Keys with dots can be volatile, too."""
    item = {"a.b": 1, "by": [{"h": 1, "n": 2}, {"h": 3}], "id": "x"}
    remove(item, "$['a.b']")
    remove(item, "$.by[*].h")
    assert canonical_json(item) == '{"by":[{"n":2},{}],"id":"x"}'


def test_a_page_that_is_too_deep_for_a_path_is_an_error() -> None:
    """The error of the library is none of ours, and would end the run without a reason."""
    deep: object = 1
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(ProtocolError, match=r"without `\.\.`"):
        find(deep, "$..missing")


def test_a_number_with_a_huge_exponent_does_not_break_a_comparison() -> None:
    """A hostile page may contain any number."""
    page = parse_json(b'[{"n": 1e99999999999999999999}, {"n": 1e999999999}, {"n": 2}]', url="u")
    assert [location for location, _ in matches(page, "$[?@.n < 3]")] == [(2,)]


def test_dotted_paths_do_not_import_the_library() -> None:
    """It takes a fifth of a second, in each of many processes that load the definitions."""
    code = (
        "import sys; from harvest_dagster.harvesters.rest.paths import find; find({}, 'a.b'); find([], '$');"
        "assert 'jsonpath' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

"""Secrets: filled in when a harvest runs, and masked wherever something is written."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.catalog.secrets import is_malformed, names, redactor, resolve
from harvest_dagster.errors import MissingSecret

ENVIRON = {"KEY": "s3cr3t", "USER_1": "anna", "EMPTY": "", "NESTED": "${KEY}"}


def _resolved(kwargs: dict[str, Any]) -> dict[str, Any]:
    return resolve(kwargs, ENVIRON, "source")[0]


def test_names_are_replaced_at_any_depth() -> None:
    """A header in a mapping in a list is where API keys stand."""
    kwargs = {"a": "${KEY}", "b": [{"c": "Bearer ${KEY}", "d": 3}], "e": "${USER_1}:${KEY}", "f": None}
    assert _resolved(kwargs) == {
        "a": "s3cr3t",
        "b": [{"c": "Bearer s3cr3t", "d": 3}],
        "e": "anna:s3cr3t",
        "f": None,
    }


def test_the_config_itself_stays_as_it_was() -> None:
    """It is mirrored to the database, where no secret may come."""
    kwargs = {"a": ["${KEY}"], "b": {"c": "${KEY}"}}
    _resolved(kwargs)
    assert kwargs == {"a": ["${KEY}"], "b": {"c": "${KEY}"}}


def test_the_values_that_came_in_are_told() -> None:
    """What is not known cannot be masked."""
    assert resolve({"a": "${KEY}", "b": "${USER_1}"}, ENVIRON, "source")[1] == {"s3cr3t", "anna"}
    assert resolve({"a": "KEY"}, ENVIRON, "source")[1] == frozenset()


def test_a_double_dollar_stands_for_a_literal_one() -> None:
    """Else no argument could ever hold `${`."""
    assert _resolved({"a": "$${KEY} and $KEY and $$"}) == {"a": "${KEY} and $KEY and $$"}
    assert names({"a": "$${KEY}"}) == frozenset()


def test_a_value_is_not_replaced_again() -> None:
    """A secret may hold `${`; reading more of the environment through it would be a hole."""
    assert _resolved({"a": "${NESTED}"}) == {"a": "${KEY}"}


@pytest.mark.parametrize("variable", ["ABSENT", "EMPTY"])
def test_a_missing_variable_is_named_and_no_value_is(variable: str) -> None:
    """The operator must know which to set, for which source; the log must not know the others."""
    with pytest.raises(MissingSecret) as caught:
        resolve({"a": f"${{{variable}}}", "b": "${KEY}"}, ENVIRON, "my_source")
    assert variable in str(caught.value)
    assert "my_source" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_all_missing_variables_are_named_at_once() -> None:
    """One at a time, each costs a run."""
    with pytest.raises(MissingSecret, match="needs A, B, C from"):
        resolve({"x": "${C}${A}", "y": ["${B}"]}, {}, "source")


@pytest.mark.parametrize("text", ["${MY-KEY}", "${}", "${KEY", "a ${1}", "${KEY} ${"])
def test_a_placeholder_without_a_name_is_found(text: str) -> None:
    """It would be sent to the source as it stands."""
    assert is_malformed(text)


@pytest.mark.parametrize("text", ["", "${KEY}", "$${", "$KEY", "$", "{}", "$$ {"])
def test_other_dollars_are_nothing_special(text: str) -> None:
    """A false alarm would keep a good config from loading."""
    assert not is_malformed(text)


@given(st.text(min_size=1).filter(lambda text: text.strip() and not set(text) & set("«»*")))
def test_a_secret_is_masked_in_every_form(secret: str) -> None:
    """Lesson 32: the query string of an error message is quoted, a logged structure is JSON or a repr."""
    redact = redactor([secret])
    marked = f"«{secret}»"
    forms = (secret, quote(secret), quote_plus(secret), quote(secret, safe=""), json.dumps(secret)[1:-1])
    for form in (*forms, repr(marked)[2:-2]):
        assert redact(f"«{form}»") == "«***»", marked


def test_lower_case_quoting_is_masked_too() -> None:
    """Some servers echo %2f for the %2F they were sent."""
    assert redactor(["a/b c"])("x?k=a%2fb%20c") == "x?k=***"
    assert redactor(["a/b c"])("x?" + urlencode({"k": "a/b c"})) == "x?k=***"


def test_a_secret_within_another_leaves_no_rest() -> None:
    """Masked in the wrong order, `abcdef` would show as `***def`."""
    assert redactor(["abc", "abcdef"])("key=abcdef, key=abc") == "key=***, key=***"


def test_a_secret_is_masked_without_the_line_end_of_its_file() -> None:
    """HTTP strips a header's value, so that the log has it without."""
    assert redactor(["s3cr3t\n"])("Bearer s3cr3t") == "Bearer ***"


@pytest.mark.parametrize("secrets", [[], [""]])
def test_without_secrets_nothing_changes(secrets: list[str]) -> None:
    """An empty secret must not put a mask between all letters."""
    assert redactor(secrets)("a text") == "a text"


@pytest.mark.parametrize("secret", ["pa55+w=rd&1", "öpen sesame", "12345678"])
@pytest.mark.parametrize("before", ["", "u:", "us:", "use:"])
def test_a_secret_in_base64_is_masked_whatever_stands_before_it(secret, before):
    """A page that echoes the header Authorization: Basic holds user and password in base64."""
    for encode in (b64encode, urlsafe_b64encode):
        encoded = encode(f"{before}{secret}; more".encode()).decode()
        left, _, right = redactor([secret])(encoded).partition("***")
        assert len(left) <= 8 * len(before) / 6 + 1
        assert len(right) <= 8 * len("; more") / 6 + 4


def test_a_secret_in_html_is_masked():
    """A page that echoes the URL writes & as &amp;."""
    assert redactor(["a&b<c"])("no such key: a&amp;b&lt;c") == "no such key: ***"

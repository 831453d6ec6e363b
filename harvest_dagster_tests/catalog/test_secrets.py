"""`${NAME}` in arguments: resolved when a harvest runs."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.catalog.secrets import (
    has_malformed_placeholder,
    placeholder_names,
    resolve,
    secret_values,
)
from harvest_dagster.errors import MissingSecret

ENVIRON = {"KEY": "s3cr3t", "USER_1": "anna", "EMPTY": "", "NESTED": "${KEY}"}


def _resolved(kwargs: dict[str, Any]) -> dict[str, Any]:
    return resolve(kwargs, ENVIRON, "source")[0]


def test_placeholders_are_replaced_at_any_depth() -> None:
    """API keys are often in a header, in a mapping inside a list."""
    kwargs = {"a": "${KEY}", "b": [{"c": "Bearer ${KEY}", "d": 3}], "e": "${USER_1}:${KEY}", "f": None}
    assert _resolved(kwargs) == {
        "a": "s3cr3t",
        "b": [{"c": "Bearer s3cr3t", "d": 3}],
        "e": "anna:s3cr3t",
        "f": None,
    }


def test_the_config_itself_is_not_changed() -> None:
    """The database stores a copy of it, which must not contain a secret."""
    kwargs = {"a": ["${KEY}"], "b": {"c": "${KEY}"}}
    _resolved(kwargs)
    assert kwargs == {"a": ["${KEY}"], "b": {"c": "${KEY}"}}


def test_the_inserted_values_are_returned() -> None:
    """Only a known value can be masked."""
    assert resolve({"a": "${KEY}", "b": "${USER_1}"}, ENVIRON, "source")[1] == {"s3cr3t", "anna"}
    assert resolve({"a": "KEY"}, ENVIRON, "source")[1] == frozenset()


def test_a_double_dollar_stands_for_a_literal_one() -> None:
    """Otherwise no argument could contain `${`."""
    assert _resolved({"a": "$${KEY} and $KEY and $$"}) == {"a": "${KEY} and $KEY and $$"}
    assert placeholder_names({"a": "$${KEY}"}) == frozenset()


def test_a_placeholder_inside_a_value_is_not_replaced() -> None:
    """A secret may contain `${`. It must not give access to other variables."""
    assert _resolved({"a": "${NESTED}"}) == {"a": "${KEY}"}


@pytest.mark.parametrize("variable", ["ABSENT", "EMPTY"])
def test_the_error_names_the_missing_variable_and_shows_no_value(variable: str) -> None:
    """The operator must know which variable to set for which source. No secret may reach the log."""
    with pytest.raises(MissingSecret) as caught:
        resolve({"a": f"${{{variable}}}", "b": "${KEY}"}, ENVIRON, "my_source")
    assert variable in str(caught.value)
    assert "my_source" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_all_missing_variables_are_named_at_once() -> None:
    """Otherwise each missing variable costs one failed run."""
    with pytest.raises(MissingSecret, match=r"source needs .*: A, B, C\. Set them"):
        resolve({"x": "${C}${A}", "y": ["${B}"]}, {}, "source")


@pytest.mark.parametrize("text", ["${MY-KEY}", "${}", "${KEY", "a ${1}", "${KEY} ${"])
def test_a_placeholder_without_a_name_is_found(text: str) -> None:
    """Otherwise the placeholder is sent to the source unchanged."""
    assert has_malformed_placeholder(text)


@pytest.mark.parametrize("text", ["", "${KEY}", "$${", "$KEY", "$", "{}", "$$ {"])
def test_other_dollar_signs_have_no_meaning(text: str) -> None:
    """A false alarm would stop a valid config from loading."""
    assert not has_malformed_placeholder(text)


def test_the_order_of_secrets_does_not_depend_on_their_values() -> None:
    """Stored records contain the number of a masked secret. In another order, a new key would change all records."""
    kwargs = {"b": "${USER_1}", "a": "${KEY}", "params": {"api_key": "written-plainly"}}
    assert secret_values(kwargs, ENVIRON) == ("s3cr3t", "anna", "written-plainly")
    assert secret_values(kwargs, {"KEY": "zzz", "USER_1": "aaa"}) == ("zzz", "aaa", "written-plainly")

"""Secrets: filled in when a harvest runs."""

from __future__ import annotations

from typing import Any

import pytest

from harvest_dagster.catalog.secrets import is_malformed, names, resolve, values
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


def test_the_values_come_in_an_order_that_new_values_do_not_change() -> None:
    """Marks in stored data hold their number; with another order a new key would make all records new ones."""
    kwargs = {"b": "${USER_1}", "a": "${KEY}", "params": {"api_key": "written-plainly"}}
    assert values(kwargs, ENVIRON) == ("s3cr3t", "anna", "written-plainly")
    assert values(kwargs, {"KEY": "zzz", "USER_1": "aaa"}) == ("zzz", "aaa", "written-plainly")

"""Who harvests, for the operators of the sources: from the environment where a config does not say it."""

from __future__ import annotations

import pytest

from harvest_dagster.catalog.contacts import of_environment
from harvest_dagster.errors import BadInput


@pytest.mark.parametrize(
    "value",
    ["harvest@example.org", "mailto:harvest@example.org", "https://example.org/harvest", " a@b.org\n"],
)
def test_an_address_is_taken_as_it_is(value):
    """It is for all sources: nobody writes it into 200 files."""
    assert of_environment({"HARVEST_CONTACT": value}) == value.strip()


@pytest.mark.parametrize("environ", [{}, {"HARVEST_CONTACT": ""}, {"HARVEST_CONTACT": " "}])
def test_without_one_nothing_is_said(environ):
    """It is polite, and no duty."""
    assert not of_environment(environ)


@pytest.mark.parametrize(
    "value", ["me", "a@b\r\nX-Evil: 1", "https://example.org/)", "ftp://example.org", "a b@c.org"]
)
def test_what_is_no_address_is_the_callers_mistake(value):
    """Half of it would end the header, or the User-Agent's comment."""
    with pytest.raises(
        BadInput, match=r"HARVEST_CONTACT: .* is not allowed; write an e-mail address"
    ) as caught:
        of_environment({"HARVEST_CONTACT": value})
    assert caught.value.__cause__ is caught.value.__context__ is None

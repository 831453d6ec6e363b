"""The contact address for the operators of sources, from the environment."""

from __future__ import annotations

import pytest

from harvest_dagster.catalog.contacts import contact_from_environment
from harvest_dagster.errors import BadInput


@pytest.mark.parametrize(
    "value",
    ["harvest@example.org", "mailto:harvest@example.org", "https://example.org/harvest", " a@b.org\n"],
)
def test_an_address_is_returned_without_white_space(value):
    """The address of all sources comes from here; nobody writes it into 200 files."""
    assert contact_from_environment({"HARVEST_CONTACT": value}) == value.strip()


@pytest.mark.parametrize("environ", [{}, {"HARVEST_CONTACT": ""}, {"HARVEST_CONTACT": " "}])
def test_no_address_gives_an_empty_text(environ):
    """The address is optional."""
    assert not contact_from_environment(environ)


@pytest.mark.parametrize(
    "value", ["me", "a@b\r\nX-Evil: 1", "https://example.org/)", "ftp://example.org", "a b@c.org"]
)
def test_a_value_that_is_not_an_address_is_refused(value):
    """Such a value could end the header, or the comment of the User-Agent."""
    with pytest.raises(
        BadInput, match=r"HARVEST_CONTACT: .* is not allowed; write an e-mail address"
    ) as caught:
        contact_from_environment({"HARVEST_CONTACT": value})
    assert caught.value.__cause__ is caught.value.__context__ is None

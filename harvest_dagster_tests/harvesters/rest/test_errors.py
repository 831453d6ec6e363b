"""The error for a JSON document that is not a page of the list."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import ProtocolError
from harvest_dagster_tests.harvesters.rest.rest_sources import pages, scripted


@pytest.mark.parametrize("key", ["er\0r", "er\ud800r", "er\x1b[31m", "r" * 10**6, "key " * 10**5])
def test_the_keys_of_an_unknown_document_are_one_printable_line_in_the_error(key: str) -> None:
    """Once they were copied unchanged, and the database refused the error's text."""
    with pytest.raises(ProtocolError, match="nothing at items") as caught:
        pages(scripted({key: 1, "b": 2}))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600

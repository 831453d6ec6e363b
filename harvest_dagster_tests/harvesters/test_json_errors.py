"""What is said of a document that is none of the list's."""

from __future__ import annotations

import pytest

from harvest_dagster.errors import ProtocolError
from harvest_dagster_tests.harvesters.json_sources import pages, scripted


@pytest.mark.parametrize("key", ["er\0r", "er\ud800r", "er\x1b[31m", "r" * 10**6, "key " * 10**5])
def test_the_keys_of_a_foreign_document_are_a_line_in_the_error(key: str) -> None:
    """They went into it raw, and no database took it."""
    with pytest.raises(ProtocolError, match="no list at") as caught:
        pages(scripted({key: 1, "b": 2}))
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 600

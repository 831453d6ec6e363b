"""What the first page of a list shows about a wrong `identifier`.

Not here: a source that ignores the dates. All its records are outside of the window. They are kept, and the log counts
them, because `datestamp` may also be another date than the one that the source compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from harvest_dagster.errors import MisconfiguredSource

# Fewer records may be the revisions of one record.
_FEWEST = 5


def raise_if_identifier_repeats(url: str, records: Sequence[tuple[str, datetime | None]]) -> None:
    """Raise an error if all records of a first page have the same identifier.

    They would be stored as revisions of one record, and a list without a total would be done.

    Args:
        url: the redacted URL of the page.
        records: identifier and datestamp of the records that have an identifier.

    Raises:
        MisconfiguredSource: at least five records have one identifier.
    """
    identifiers = {identifier for identifier, _ in records}
    if len(identifiers) == 1 and len(records) >= _FEWEST:
        message = (
            f"{url}: all {len(records)} records of the first page have the identifier {identifiers.pop()[:100]!r}. "
            "Correct `identifier`: its path must differ between records. It may be a list of paths."
        )
        raise MisconfiguredSource(message)

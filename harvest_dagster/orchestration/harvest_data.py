"""The resource with which assets of users read what was harvested."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from harvest_dagster import data
from harvest_dagster.data.rows import CurrentDocument, CurrentRecord, Kind

if TYPE_CHECKING:
    import pyarrow as pa


class HarvestData(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The current records and documents of the harvest database, for assets downstream of raw/x and transformed/x.

    The methods are those of `harvest_dagster.data`.
    """

    database_url: str = Field(
        default="", description="SQLAlchemy URL; if empty, HARVEST_DATABASE_URL or else SQLite"
    )

    def records(self, label: str, since: datetime | str | None = None) -> Iterator[CurrentRecord]:
        """Return an iterator of the current records of a source. See `harvest_dagster.data.records`."""
        return data.records(label, since, database=self._url)

    def documents(self, label: str, since: datetime | str | None = None) -> Iterator[CurrentDocument]:
        """Return an iterator of the current documents of a source. See `harvest_dagster.data.documents`."""
        return data.documents(label, since, database=self._url)

    def to_arrow(
        self, kind: Kind, label: str, since: datetime | str | None = None
    ) -> "Iterator[pa.RecordBatch]":
        """Return an iterator of the same rows as record batches. See `harvest_dagster.data.to_arrow`."""
        return data.to_arrow(kind, label, since, database=self._url)

    @property
    def _url(self) -> str | None:
        return self.database_url or None

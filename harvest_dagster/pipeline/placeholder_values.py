"""Compare the values behind the `${NAME}` of a source with those of its earlier harvests."""

from __future__ import annotations

from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.lease_guard import LeaseHandle
from harvest_dagster.storage.harvest_log import value_digests


def end_coverage_of_other_values(harvest: HarvestContext, lease: LeaseHandle) -> str | None:
    """End the coverage of harvests with other values. Return the digest of the present values; None if there are none.

    A run compares them before it plans, and again before each window: a run that is executed again does not plan.

    Raises:
        LeaseLost: another run took the lease; nothing was written.
    """
    if not harvest.source.deciding_values:
        return None
    with lease.begin() as connection:
        return value_digests.mark_logs_of_other_values(
            connection, harvest.scope, harvest.source.deciding_values
        )

"""Read what earlier harvests observed about a source, give it to the client, and write what this harvest observes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harvest_dagster.errors import HarvestError
from harvest_dagster.harvesters.interface import Client
from harvest_dagster.observations import Observations
from harvest_dagster.pipeline.context import HarvestContext
from harvest_dagster.pipeline.write_guard import WriteGuard
from harvest_dagster.storage import source_observations


@contextmanager
def source_observations_of(
    harvest: HarvestContext, client: Client, guard: WriteGuard
) -> Iterator[Observations]:
    """Yield the observations about the source, which the client has as well. Write the new ones at the end.

    They are also written if the harvest fails: what was observed stays true. What the client notes is logged.

    Raises:
        LeaseLost: another run has acquired the lease; nothing was written.
    """
    observations = _read(harvest)
    client.use_observations(observations)
    try:
        yield observations
    except Exception:
        with suppress(HarvestError):  # the first error matters more
            _write(harvest, guard, observations)
        raise
    finally:
        for note in observations.notes:
            harvest.logger.info(note)
    _write(harvest, guard, observations)


def _read(harvest: HarvestContext) -> Observations:
    with harvest.run.database.read() as connection:
        known = source_observations.find_observations(
            connection, harvest.config_id, harvest.source.request_digest
        )
    return Observations(known, harvest.run.clock())


def _write(harvest: HarvestContext, guard: WriteGuard, observations: Observations) -> None:
    changed = observations.take_changed()
    if not changed:
        return
    with guard.begin() as connection:
        source_observations.save_observations(
            connection, harvest.config_id, harvest.source.request_digest, changed
        )

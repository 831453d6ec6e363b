"""Compare the values behind `${NAME}` with those of earlier harvests. Coverage holds only for the values of today.

No row has a value. The digest of a value has 16 bits and a random key of the database. Without the key it reveals
nothing, and a reader of all rows learns at most 16 bits of a value. One changed value in 65,536 is not noticed.
docs/decisions/0052 explains this.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping

from sqlalchemy import Connection, delete, or_, select, update

from harvest_dagster.storage.harvest_log import coverage_changes
from harvest_dagster.storage.harvest_log.queries import LogScope
from harvest_dagster.storage.tables import digest_key, harvest_log, source_observation
from harvest_dagster.storage.upsert import insert_or_ignore

_DIGITS = 4  # hexadecimal
_ONLY_KEY = 1


def mark_logs_of_other_values(
    connection: Connection, scope: LogScope, values: Mapping[str, str]
) -> str | None:
    """Mark the logs of a source that were asked with other values, and unmark those with the present ones.

    A log without a digest is from before the upgrade. The present values count as its own.

    Args:
        connection: a transaction under the lease.
        scope: the logs, with the digest of the arguments of today.
        values: the value of each variable that decides what the source is asked.

    Returns:
        The digest of the values; None if there are none.
    """
    if not values:
        return None
    present = _digest(connection, values)
    row = harvest_log.c
    of_source = row.ingest_config_id == scope.ingest_config_id
    of_arguments = or_(row.arguments_digest.is_(None), row.arguments_digest == scope.arguments_digest)
    unknown = update(harvest_log).where(of_source, of_arguments, row.values_digest.is_(None))
    connection.execute(unknown.values(values_digest=present))
    of_other = update(harvest_log).where(of_source, row.values_digest != present, ~row.has_other_values)
    if connection.execute(of_other.values(has_other_values=True)).rowcount:
        observations = source_observation.c.ingest_config_id == scope.ingest_config_id
        connection.execute(delete(source_observation).where(observations))
    of_present = update(harvest_log).where(of_source, row.values_digest == present, row.has_other_values)
    connection.execute(of_present.values(has_other_values=False))
    coverage_changes.apply_changes(connection, scope.ingest_config_id)
    return present


def changed_names(before: str | None, now: str | None) -> list[str]:
    """Return the variables whose values differ between two digests."""
    known, present = (dict(part.split("=") for part in (text or "").split()) for text in (before, now))
    return sorted(name for name in known.keys() & present.keys() if known[name] != present[name])


def _digest(connection: Connection, values: Mapping[str, str]) -> str:
    key = _find_key(connection)
    return " ".join(f"{name}={_digest_of(key, name, values[name])}" for name in sorted(values))


def _digest_of(key: bytes, name: str, value: str) -> str:
    text = f"{name}={value}".encode("utf-8", "surrogatepass")
    return hmac.new(key, text, "sha256").hexdigest()[:_DIGITS]


def _find_key(connection: Connection) -> bytes:
    """Return the key of the database. The first call creates it."""
    query = select(digest_key.c.key)
    if (found := connection.scalar(query)) is None:
        insert_or_ignore(connection, digest_key, {"id": _ONLY_KEY, "key": secrets.token_hex(32)})
        found = connection.scalars(query).one()
    return bytes.fromhex(found)

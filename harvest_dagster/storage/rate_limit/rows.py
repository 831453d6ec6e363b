"""Read and write the row of a host in `request_host`, and its numbered rows in `request_departure`.

A departure takes the number after the newest one. If two requests see the same free place, both try to insert this
number, and the primary key lets one of them succeed. So a request locks no row. A change of the host's row locks it.

All instants are seconds of the clock that the budget uses. `host_state` computes how long a request waits.
`database_budget` decides when to read and write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sqlalchemy import (
    Connection,
    Double,
    Row,
    and_,
    bindparam,
    cast,
    delete,
    extract,
    func,
    null,
    select,
    text,
    update,
)

from harvest_dagster.rate_limits import Limit, Slowdown, Throttle
from harvest_dagster.storage.rate_limit.host_state import HostRateState, HostRow
from harvest_dagster.storage.tables import request_departure, request_host
from harvest_dagster.storage.upsert import insert_or_ignore

# After each CHUNK new departures, up to two CHUNKs of old departures are deleted, so that a backlog shrinks.
CHUNK = 32

_DATABASE_TIME = cast(extract("epoch", func.clock_timestamp()), Double)
# SQLite has only the calendar time, which people can set, in milliseconds. So the process passes its own clock instead.
_NOW = {"postgresql": _DATABASE_TIME.label("now"), "sqlite": null().label("now")}

_THIS_HOST = request_host.c.host == bindparam("key")
_LOCK = select(request_host.c.id).where(_THIS_HOST).with_for_update(key_share=True)
_SAVE = update(request_host).where(request_host.c.id == bindparam("of"))

_NEWEST = (
    select(func.max(request_departure.c.number))
    .where(request_departure.c.host_id == request_host.c.id)
    .correlate(request_host)
    .scalar_subquery()
)
_WITH_ITS_NEWEST = request_host.outerjoin(
    request_departure,
    and_(request_departure.c.host_id == request_host.c.id, request_departure.c.number == _NEWEST),
)
_FIND = {
    dialect: select(request_host, request_departure.c.number, request_departure.c.departed, now)
    .select_from(_WITH_ITS_NEWEST)
    .where(_THIS_HOST)
    for dialect, now in _NOW.items()
}

_ITS_DEPARTURES = request_departure.c.host_id == bindparam("of")
_WITH_NUMBER = request_departure.c.number == bindparam("with_number")
_DEPARTURES = select(request_departure.c.number, request_departure.c.departed).where(
    _ITS_DEPARTURES, request_departure.c.number.in_(bindparam("numbers", expanding=True))
)
_DEPARTED = select(request_departure.c.departed).where(_ITS_DEPARTURES, _WITH_NUMBER)
_MOVE = (
    update(request_departure)
    .where(_ITS_DEPARTURES)
    .values(departed=request_departure.c.departed - bindparam("seconds"))
)
_FORGET = delete(request_departure).where(_ITS_DEPARTURES, request_departure.c.number < bindparam("end"))

# As text, because SQLAlchemy compiles an INSERT with ON CONFLICT each time, which takes half a millisecond. The WHERE
# clause switches synchronous_commit off: otherwise each request would wait for the disk. docs/decisions/0011 names the
# risk.
_DEPART = {
    "postgresql": text(
        "INSERT INTO request_departure (host_id, number, departed)"
        " SELECT :of, :with_number, coalesce(:at, extract(epoch FROM clock_timestamp()))"
        " WHERE set_config('synchronous_commit', 'off', true) = 'off'"
        " ON CONFLICT DO NOTHING RETURNING departed"
    ).bindparams(bindparam("at", type_=Double)),
    "sqlite": text(
        "INSERT INTO request_departure (host_id, number, departed) VALUES (:of, :with_number, :at)"
        " ON CONFLICT DO NOTHING RETURNING departed"
    ),
}
_REDATE = {
    "postgresql": text(
        "UPDATE request_departure SET departed = coalesce(:at, extract(epoch FROM clock_timestamp()))"
        " WHERE host_id = :of AND number = :with_number AND set_config('synchronous_commit', 'off', true) = 'off'"
    ).bindparams(bindparam("at", type_=Double)),
    "sqlite": text(
        "UPDATE request_departure SET departed = :at WHERE host_id = :of AND number = :with_number"
    ),
}


def database_time(connection: Connection) -> float:
    """Return the seconds since 1970 by the clock of a PostgreSQL server."""
    return float(connection.execute(select(_DATABASE_TIME)).scalar_one())


# Returns the time in seconds; None for the clock of the database server.
Clock = Callable[[], float] | None


def read_host(connection: Connection, name: str, clock: Clock) -> HostRateState:
    """Return the current state of a host. A host without a row has no limits and no departures."""
    row = connection.execute(_FIND[connection.dialect.name], {"key": key_of(name)}).first()
    if row is None:
        return HostRateState(HostRow(0), 0.0, 0, {})
    host, newest = host_of_row(row), row.number or row.oldest - 1
    # For a limit of n calls, the next departure depends on the one n before it, and the departure after that on the
    # following number.
    deciding = {newest + 1 - limit.calls for limit in host.throttle.limits}
    numbers = {*deciding, *(number + 1 for number in deciding)}
    departed = {newest: row.departed} if row.number else {}
    if others := sorted(number for number in numbers if host.oldest <= number < newest):
        found = connection.execute(_DEPARTURES, {"of": host.id, "numbers": others})
        departed.update((each.number, each.departed) for each in found)
    return HostRateState(host, row.now if clock is None else clock(), newest, departed)


def lock_host(connection: Connection, name: str) -> None:
    """Lock the row of a host until this transaction ends. Create it if it is missing."""
    key = key_of(name)
    if connection.execute(_LOCK, {"key": key}).first() is None:
        insert_or_ignore(connection, request_host, {"host": key, **_values(HostRow(0))})
        connection.execute(_LOCK, {"key": key})


def save_host(connection: Connection, host: HostRow, now: float) -> None:
    """Write the row of a host, which this transaction has locked."""
    connection.execute(_SAVE, {"of": host.id, **_values(replace(host, touched=now))})


def add_departure(connection: Connection, state: HostRateState, clock: Clock) -> float | None:
    """Insert the next departure. Return its instant, or None if another request has taken the number."""
    values = {"of": state.host.id, "with_number": state.newest + 1, "at": clock and clock()}
    return connection.execute(_DEPART[connection.dialect.name], values).scalar()


def redate_departure(connection: Connection, host_id: int, number: int, clock: Clock) -> None:
    """Set the instant of a departure to the current time, because its request leaves later than expected."""
    values = {"of": host_id, "with_number": number, "at": clock and clock()}
    connection.execute(_REDATE[connection.dialect.name], values)


def move_clock(connection: Connection, host: HostRow, seconds: float) -> HostRow:
    """Move all recorded instants back by these seconds, because the clock was set back. Return the new row."""
    connection.execute(_MOVE, {"of": host.id, "seconds": seconds})
    throttle = Throttle(
        limits={limit: until - seconds for limit, until in host.throttle.limits.items()},
        paused_until=host.throttle.paused_until - seconds,
        slowdown=replace(host.throttle.slowdown, since=host.throttle.slowdown.since - seconds),
    )
    return replace(host, touched=host.touched - seconds, throttle=throttle)


def forget_departures(connection: Connection, state: HostRateState) -> HostRow:
    """Delete up to two CHUNKs of departures that no limit needs any more. Return the new row.

    The newest departure stays, because the next number follows it. The number is bounded because an expired limit of a
    million calls leaves a million departures behind.
    """
    host, end = state.host, state.host.oldest + 2 * CHUNK
    if end > state.newest:
        return host
    last = connection.scalar(_DEPARTED, {"of": host.id, "with_number": end - 1})
    most_calls = max((limit.calls for limit in host.throttle.limits), default=0)
    # Twice the spacing, because `redate_departure` may have moved a departure with a lower number by one spacing.
    horizon = state.now - 2 * max((limit.spacing for limit in host.throttle.limits), default=0.0)
    if last is None or (last > horizon and end > state.newest - most_calls):
        return host
    connection.execute(_FORGET, {"of": host.id, "end": end})
    return replace(host, oldest=end)


def key_of(name: str) -> str:
    """Return the hash of a host name. The name may come from the environment, whose values must not be stored."""
    return hashlib.sha256(name.encode()).hexdigest()


def host_of_row(row: Row[Any]) -> HostRow:
    """Return a row of `request_host` as a value."""
    throttle = Throttle(
        limits={Limit(calls, period): until for calls, period, until in row.limits},
        paused_until=row.paused_until,
        slowdown=Slowdown(row.slowdown, row.refused_at, row.good_answers),
    )
    return HostRow(row.id, row.oldest, row.touched, throttle)


def _values(host: HostRow) -> dict[str, Any]:
    throttle = host.throttle
    return {
        "oldest": host.oldest,
        "touched": host.touched,
        "paused_until": throttle.paused_until,
        "slowdown": throttle.slowdown.factor,
        "refused_at": throttle.slowdown.since,
        "good_answers": throttle.slowdown.good,
        "limits": [[limit.calls, limit.period, until] for limit, until in throttle.limits.items()],
    }

"""What is on record of a host's requests: its row, and its numbered departures.

Instants are seconds of the clock that the budget goes by. A departure takes the number after the newest, which
only one can have: so two that saw the same room do not both take it, and no row is locked for a request. What
changes a host's row locks it.

Here: the rows. Not here: how long they say to wait (`sights`), and when that is asked (`budgets`).
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

from harvest_dagster.limits import Limit, Slowdown
from harvest_dagster.storage.sights import Host, Sight
from harvest_dagster.storage.statements import insert_or_ignore
from harvest_dagster.storage.tables import request_departure, request_host

# Departures that no limit looks back to go by the chunk, two chunks of old ones for one of new ones.
CHUNK = 32

_DATABASE_TIME = cast(extract("epoch", func.clock_timestamp()), Double)
# SQLite's own clock is the calendar's, and knows no less than a millisecond.
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

# As text: an INSERT with ON CONFLICT is compiled anew each time by SQLAlchemy, which takes half a millisecond.
# Without synchronous_commit off each request waits for the disk: docs/decisions/0011 says what that risks.
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
_DATE = {
    "postgresql": text(
        "UPDATE request_departure SET departed = coalesce(:at, extract(epoch FROM clock_timestamp()))"
        " WHERE host_id = :of AND number = :with_number AND set_config('synchronous_commit', 'off', true) = 'off'"
    ).bindparams(bindparam("at", type_=Double)),
    "sqlite": text(
        "UPDATE request_departure SET departed = :at WHERE host_id = :of AND number = :with_number"
    ),
}

# Gives the time in place of the database's clock.
Clock = Callable[[], float] | None


def look(connection: Connection, name: str, clock: Clock) -> Sight:
    """A host as it stands; one that was never asked has no limits yet."""
    row = connection.execute(_FIND[connection.dialect.name], {"key": _key(name)}).first()
    if row is None:
        return Sight(Host(0), 0.0, 0, {})
    host, newest = _host(row), row.number or row.oldest - 1
    looked_at = {newest + 1 - limit.calls for limit in host.limits}
    numbers = {*looked_at, *(number + 1 for number in looked_at)}
    departed = {newest: row.departed} if row.number else {}
    if others := sorted(number for number in numbers if host.oldest <= number < newest):
        found = connection.execute(_DEPARTURES, {"of": host.id, "numbers": others})
        departed.update((each.number, each.departed) for each in found)
    return Sight(host, row.now if clock is None else clock(), newest, departed)


def lock(connection: Connection, name: str) -> None:
    """Let nobody else change a host's row until this transaction ends; it is made where it is missing."""
    key = _key(name)
    if connection.execute(_LOCK, {"key": key}).first() is None:
        insert_or_ignore(connection, request_host, {"host": key, **_values(Host(0))})
        connection.execute(_LOCK, {"key": key})


def save(connection: Connection, host: Host, now: float) -> None:
    """Write a row that is locked."""
    connection.execute(_SAVE, {"of": host.id, **_values(replace(host, touched=now))})


def depart(connection: Connection, sight: Sight, clock: Clock) -> float | None:
    """A request leaves: when; None where another one has left since the host was looked at."""
    number = {"of": sight.host.id, "with_number": sight.newest + 1, "at": clock and clock()}
    return connection.execute(_DEPART[connection.dialect.name], number).scalar()


def date(connection: Connection, host_id: int, number: int, clock: Clock) -> None:
    """A request leaves only now, later than was said."""
    at = {"of": host_id, "with_number": number, "at": clock and clock()}
    connection.execute(_DATE[connection.dialect.name], at)


def move(connection: Connection, host: Host, seconds: float) -> Host:
    """The clock was set back by so much: everything on record moves with it."""
    connection.execute(_MOVE, {"of": host.id, "seconds": seconds})
    return replace(
        host,
        touched=host.touched - seconds,
        paused_until=host.paused_until - seconds,
        slowdown=replace(host.slowdown, since=host.slowdown.since - seconds),
        limits={limit: until - seconds for limit, until in host.limits.items()},
    )


def forget(connection: Connection, sight: Sight) -> Host:
    """Delete a few departures that nothing looks back to, never the newest: the next number is told by it.

    Never many at once: a limit of a million calls that holds no more leaves as many departures behind.
    """
    host, end = sight.host, sight.host.oldest + 2 * CHUNK
    if end > sight.newest:
        return host
    last = connection.scalar(_DEPARTED, {"of": host.id, "with_number": end - 1})
    reach = max((limit.calls for limit in host.limits), default=0)
    # Twice, since one with a lower number may have left later, by less than that: it was dated anew.
    horizon = sight.now - 2 * max((limit.spacing for limit in host.limits), default=0.0)
    if last is None or (last > horizon and end > sight.newest - reach):
        return host
    connection.execute(_FORGET, {"of": host.id, "end": end})
    return replace(host, oldest=end)


def _key(name: str) -> str:
    """A name may come out of the environment (`${NAME}`), and nothing that does stands in the database."""
    return hashlib.sha256(name.encode()).hexdigest()


def _host(row: Row[Any]) -> Host:
    return Host(
        id=row.id,
        oldest=row.oldest,
        touched=row.touched,
        paused_until=row.paused_until,
        slowdown=Slowdown(row.slowdown, row.refused_at, row.good_answers),
        limits={Limit(calls, period): until for calls, period, until in row.limits},
    )


def _values(host: Host) -> dict[str, Any]:
    return {
        "oldest": host.oldest,
        "touched": host.touched,
        "paused_until": host.paused_until,
        "slowdown": host.slowdown.factor,
        "refused_at": host.slowdown.since,
        "good_answers": host.slowdown.good,
        "limits": [[limit.calls, limit.period, until] for limit, until in host.limits.items()],
    }

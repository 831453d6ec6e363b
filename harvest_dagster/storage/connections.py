"""What each dialect needs to be safe among processes, behind a connection pooler and after a fork.

Here: connections, how a transaction begins on them, and which of the drivers' errors mean that the database
cannot be used. Not here: what a URL may say (`engine`).
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# The longest a writer waits for another; a batch takes well under a second.
SQLITE_BUSY_SECONDS = 60
# 2 KB blobs stay out of overflow pages: 36,600 records a second instead of 27,800 with pages of 4 KB.
SQLITE_PAGE_BYTES = 16_384
# A holder that froze in a transaction gives its row locks back after this.
IDLE_IN_TRANSACTION = "60s"

# The page size holds from the first write on, so it stands before WAL, which is one.
_PRAGMAS = (
    f"page_size = {SQLITE_PAGE_BYTES}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
)

_POSTGRESQL_ARGUMENTS: dict[str, Any] = {
    # A transaction pooler gives each transaction another session, which knows no prepared statement of ours.
    "prepare_threshold": None,
    "application_name": "harvest_dagster",
    "connect_timeout": 10,
    # A server that vanished without a word is noticed after a minute, not after two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}

# No connection, no resources, no operator's leave, a crash; and a role or a server that may only read.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES = ("08", "28", "3D", "53", "57", "58", "25006", "42501")
# Of these, what nobody but an operator mends: a wrong password, a database that is not there, no privilege.
_LASTING_SQLSTATES = ("28", "3D", "25006", "42501")
_LASTING_SQLITE_MESSAGES = ("unable to open", "readonly", "not a database", "malformed")
_SQLITE_MESSAGES = (
    "unable to open database file",
    "database is locked",
    "attempt to write a readonly database",
    "database or disk is full",
    "disk I/O error",
    "file is not a database",
    "database disk image is malformed",
)

# What a forked child inherited: kept, since neither SQLite nor libpq may see the child close it.
_inherited: list[Any] = []


def create(url: URL) -> Engine:
    """An engine that has not connected yet. Execution options say how its transactions begin.

    `sqlite_begin` is `BEGIN` (the default) or `BEGIN IMMEDIATE`; `durable` is False for a commit on PostgreSQL
    that waits for no disk.
    """
    # hide_parameters: what was harvested has no place in an error message.
    usual: dict[str, Any] = {"hide_parameters": True, "json_serializer": _as_json}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **usual, connect_args={"timeout": SQLITE_BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        arguments = {name: value for name, value in _POSTGRESQL_ARGUMENTS.items() if name not in url.query}
        engine = create_engine(url, **usual, pool_pre_ping=True, connect_args=arguments)
        event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "connect", _remember_process)
    event.listen(engine, "checkout", _refuse_inherited)
    return engine


def is_unreachable(error: DBAPIError) -> bool:
    """Whether the database cannot be used, rather than that this statement is wrong."""
    sqlstate = getattr(error.orig, "sqlstate", "")
    if sqlstate == "":
        return any(message in str(error.orig) for message in _SQLITE_MESSAGES)
    if sqlstate is None:
        # libpq has none for a connection that failed or broke; neither has psycopg for a value it refuses.
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return error.connection_invalidated or sqlstate.startswith(_SQLSTATES)


def may_pass(error: DBAPIError) -> bool:
    """Whether a database that cannot be used may be usable later without anybody's doing."""
    sqlstate = getattr(error.orig, "sqlstate", "")
    if sqlstate == "":
        return not any(message in str(error.orig) for message in _LASTING_SQLITE_MESSAGES)
    return sqlstate is None or not sqlstate.startswith(_LASTING_SQLSTATES)


def _as_json(value: object) -> str:
    # A document of 2 KB in 2 µs; the standard library takes 12.
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # None: sqlite3 begins no transaction by itself; `_begin_sqlite` says which kind it is.
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    # LOCAL: it ends with the transaction, so that behind a pooler no other client inherits it. A statement
    # over a page's records looks costly to the planner and takes milliseconds: to compile it takes longer.
    timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"
    asynchronous = connection.get_execution_options().get("durable", True) is False
    commit = "; SET LOCAL synchronous_commit = off" if asynchronous else ""
    connection.exec_driver_sql(f"{timeout}; SET LOCAL jit = off{commit}")


def _remember_process(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["process_id"] = os.getpid()


def _refuse_inherited(connection: Any, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    if entry.info["process_id"] == os.getpid():
        return
    _inherited.append(connection)
    entry.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
    message = "the connection belongs to the process that this one was forked from"
    raise DisconnectionError(message)

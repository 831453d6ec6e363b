"""Create connections that are safe with several processes, behind a connection pooler, and after a fork.

The module sets up the connections of each dialect, begins their transactions, and decides which errors of the drivers
mean that the database cannot be used. URLs are parsed in `database`.
"""

from __future__ import annotations

import os
import re
from typing import Any

import msgspec
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

# The longest time for which a writer waits for another writer. A batch takes well under a second.
SQLITE_BUSY_SECONDS = 60
# Blobs of 2 KB need no overflow pages: 36,600 records per second instead of 27,800 with pages of 4 KB.
SQLITE_PAGE_BYTES = 16_384
# A process that is suspended within a transaction loses its row locks after this time.
IDLE_IN_TRANSACTION = "60s"

# The page size is fixed by the first write. Setting WAL is a write, so the page size comes first.
_PRAGMAS = (
    f"page_size = {SQLITE_PAGE_BYTES}",
    "journal_mode = WAL",
    "synchronous = NORMAL",
    "foreign_keys = ON",
)

_POSTGRESQL_ARGUMENTS: dict[str, Any] = {
    # A transaction pooler gives each transaction another session, which does not have our prepared statements.
    "prepare_threshold": None,
    "application_name": "harvest_dagster",
    "connect_timeout": 10,
    # A server that is gone without closing the connection is detected after a minute instead of two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    # The same for data that the server does not acknowledge; in milliseconds.
    "tcp_user_timeout": 60_000,
}
# The server detects in the same time that a client is gone. Its own default is two hours, in which the client's
# transaction keeps its locks. PostgreSQL ignores these settings for a connection over a unix socket.
_SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": 30,
    "tcp_keepalives_interval": 10,
    "tcp_keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

# No connection, no permission, no resources, a shutdown, a crash, and a role or server that may only read.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES = ("08", "28", "3D", "53", "57", "58", "25006", "42501")
# Of these, the errors that last until an operator acts: a wrong password, a missing database, no privilege.
_LASTING_SQLSTATES = ("28", "3D", "25006", "42501")
# libpq gives no SQLSTATE for an error of a connection attempt, only the text of the server in its language. In another
# language than English, the error counts as transient: the run waits, and its log has the text.
_LASTING_SERVER_ANSWER = re.compile(
    r"authentication failed|no password supplied|no pg_hba\.conf entry|role \".*\" does not exist"
    r"|database \".*\" does not exist|is not permitted to log in|permission denied for database"
)
# A name server that says that the name does not exist. "Temporary failure in name resolution" is another error.
_UNKNOWN_HOST = re.compile(
    r"Name or service not known|nodename nor servname|No address associated with hostname"
)
_OTHER_ATTEMPT = re.compile(r"Connection refused|timeout expired|timed out|Temporary failure")
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

# Connections that a forked child inherited. They are kept, because the child must not close them (SQLite, libpq).
_inherited: list[Any] = []


def create(url: URL) -> Engine:
    """Return an engine that has not connected yet. Execution options define how its transactions begin.

    `sqlite_begin` is `BEGIN` (the default) or `BEGIN IMMEDIATE`. With `durable` set to False, a commit on PostgreSQL
    does not wait for the disk.
    """
    # hide_parameters: harvested data must not appear in an error message.
    common: dict[str, Any] = {"hide_parameters": True, "json_serializer": _as_json}
    if url.get_backend_name() == "sqlite":
        engine = create_engine(url, **common, connect_args={"timeout": SQLITE_BUSY_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        arguments = {name: value for name, value in _POSTGRESQL_ARGUMENTS.items() if name not in url.query}
        engine = create_engine(url, **common, pool_pre_ping=True, connect_args=arguments)
        event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "connect", _remember_process)
    event.listen(engine, "checkout", _reject_inherited)
    return engine


def is_unreachable(error: DBAPIError) -> bool:
    """Return whether the database cannot be used, rather than this statement being wrong."""
    sqlstate = getattr(error.orig, "sqlstate", "")
    if sqlstate == "":
        return any(message in str(error.orig) for message in _SQLITE_MESSAGES)
    if sqlstate is None:
        # libpq has no SQLSTATE for a connection that failed or was lost. psycopg has none for an invalid value.
        return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    return error.connection_invalidated or sqlstate.startswith(_SQLSTATES)


def is_transient(error: DBAPIError) -> bool:
    """Return whether a database that cannot be used may be usable later without an operator.

    A server that refuses the user or has no such database will refuse the next run, too, and so will a host name that
    does not exist. A refused connection or a timeout may be an outage.
    """
    sqlstate = getattr(error.orig, "sqlstate", "")
    if sqlstate == "":
        return not any(message in str(error.orig) for message in _LASTING_SQLITE_MESSAGES)
    if sqlstate is not None:
        return not sqlstate.startswith(_LASTING_SQLSTATES)
    text = str(error.orig)
    is_unknown_host = _UNKNOWN_HOST.search(text) and not _OTHER_ATTEMPT.search(
        text
    )  # a URL may name several hosts
    return not (_LASTING_SERVER_ANSWER.search(text) or is_unknown_host)


def _as_json(value: object) -> str:
    # 2 µs for a document of 2 KB. The standard library takes 12 µs.
    return msgspec.json.encode(value).decode()


def _prepare_sqlite(connection: Any, _entry: ConnectionPoolEntry) -> None:
    # None: sqlite3 begins no transaction. `_begin_sqlite` begins the right kind.
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return
    # LOCAL: the settings end with the transaction, so that behind a pooler no other client inherits them. The planner
    # estimates high costs for a statement over a page's records. It takes milliseconds; compiling it takes longer.
    timeout = f"SET LOCAL idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"
    keepalives = "".join(f"; SET LOCAL {name} = {value}" for name, value in _SERVER_KEEPALIVES.items())
    asynchronous = connection.get_execution_options().get("durable", True) is False
    commit = "; SET LOCAL synchronous_commit = off" if asynchronous else ""
    connection.exec_driver_sql(f"{timeout}{keepalives}; SET LOCAL jit = off{commit}")


def _remember_process(_connection: Any, entry: ConnectionPoolEntry) -> None:
    entry.info["process_id"] = os.getpid()


def _reject_inherited(connection: Any, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection) -> None:
    # https://docs.sqlalchemy.org/en/20/core/pooling.html#using-connection-pools-with-multiprocessing-or-os-fork
    if entry.info["process_id"] == os.getpid():
        return
    _inherited.append(connection)
    entry.dbapi_connection = proxy.dbapi_connection = None  # type: ignore[misc]
    message = "the connection belongs to the process that this one was forked from"
    raise DisconnectionError(message)

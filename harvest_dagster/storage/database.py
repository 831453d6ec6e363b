"""Open the harvest database and its transactions, and translate its errors into the errors of this package.

`connections` sets up the connections of each dialect, `tables` has the schema, `migrations` creates it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import TracebackType

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from harvest_dagster import private_files
from harvest_dagster.errors import BadInput, DatabaseUnreachable
from harvest_dagster.storage import clock, connections, migrations

VARIABLE = "HARVEST_DATABASE_URL"
_REMEDY = f"Set {VARIABLE} to sqlite:////absolute/path or postgresql://user:password@host/name."

_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"})


@dataclass(frozen=True)
class Database:
    """A harvest database whose schema is up to date. As a context manager it closes its connections at the end.

    Attributes:
        engine: the engine of SQLAlchemy. Use `begin` or `read` for statements.
        place: the name for messages, without password and query string.
    """

    engine: Engine = field(repr=False)
    place: str

    @classmethod
    def open(cls, url: str) -> Database:
        """Connect, and create or migrate the schema if necessary.

        Raises:
            BadInput: the URL is invalid, or its database is not supported.
            DatabaseUnreachable: the connection failed, or writing is not permitted.
            DatabaseNewerThanCode: a newer version of this package has migrated the database.
        """
        parsed = parse(url)
        database = cls(connections.create(parsed), _place(parsed))
        with database._disposed_on_error():
            database._make_file()
            database._migrate()
        return database

    @classmethod
    def open_existing(cls, url: str) -> Database | None:
        """Connect, and migrate the schema if necessary. Return None if there is no database, or it has no tables.

        Raises:
            BadInput: the URL is invalid, or its database is not supported.
            DatabaseUnreachable: the connection failed, or writing is not permitted.
            DatabaseNewerThanCode: a newer version of this package has migrated the database.
        """
        database = cls.connect(url)
        if database is None:
            return None
        with database._disposed_on_error():
            if database.revision() is None:
                database.dispose()
                return None
            database._migrate()
        return database

    @classmethod
    def connect(cls, url: str) -> Database | None:
        """Return a database as it is. Nothing is created or migrated. None if it is a SQLite file that does not exist.

        Raises:
            BadInput: the URL is invalid, or its database is not supported.
        """
        parsed = parse(url)
        if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
            return None
        return cls(connections.create(parsed), _place(parsed))

    @contextmanager
    def _disposed_on_error(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.dispose()
            raise

    def _migrate(self) -> None:
        with self._errors():
            migrations.ensure(self.engine, self.place)

    @staticmethod
    def place_of(url: str) -> str:
        """Return the name of a database for messages, without password and query string.

        Raises:
            BadInput: the URL is invalid, or its database is not supported.
        """
        return _place(parse(url))

    def revision(self) -> str | None:
        """Return the revision of the schema, or None if the database has no tables of this package.

        Raises:
            DatabaseUnreachable: there is no connection, or it was lost.
        """
        with self.read() as connection:
            return migrations.find_revision(connection)

    @property
    def public_url(self) -> str:
        """The URL of the database without user, password and options."""
        url = self.engine.url
        plain = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
        return plain.render_as_string(hide_password=False)

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def begin(self, *, durable: bool = True) -> Iterator[Connection]:
        """Begin a transaction that writes. It is committed at the end, and rolled back on an exception.

        On SQLite it holds the only write lock from the beginning, so that the data it has read do not change before it
        writes.

        Args:
            durable: False if the data may be lost when the server crashes within a second. A commit on PostgreSQL then
                does not wait for the disk. On SQLite no commit waits; only a crash of the machine loses data.

        Raises:
            DatabaseUnreachable: there is no connection, it was lost, or another process has written for more than a
                minute.
        """
        writer = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE", durable=durable)
        with self._errors(), writer.begin() as connection:
            yield connection

    @contextmanager
    def statements(self) -> Iterator[Connection]:
        """Execute statements that need no common transaction, at the lowest cost.

        On PostgreSQL each statement is its own transaction, without the cost of BEGIN and COMMIT. On SQLite these cost
        nothing, and the statements share one transaction as in `begin`.

        Raises:
            DatabaseUnreachable: as in `begin`.
        """
        if self.dialect == "sqlite":
            with self.begin() as connection:
                yield connection
            return
        single = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        with self._errors(), single.connect() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Begin a transaction that only reads. It waits for no writer, and is rolled back at the end.

        Raises:
            DatabaseUnreachable: there is no connection, or it was lost.
        """
        with self._errors(), self.engine.connect() as connection:
            yield connection

    def with_clock(self, now: Callable[[], datetime]) -> Database:
        """Return the same database with another clock for leases (`storage.clock`), such as that of a test."""
        return replace(self, engine=self.engine.execution_options(**{clock.OPTION: now}))

    def dispose(self) -> None:
        """Close the connections of the pool. The next use opens new ones."""
        self.engine.dispose()

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if not connections.is_unreachable(error):
                raise
            # Not chained: a driver may quote the URL, and the traceback must not show its password.
            raise self._unreachable(str(error.orig), transient=connections.is_transient(error)) from None

    def _make_file(self) -> None:
        if self.dialect != "sqlite":
            return
        path = Path(str(self.engine.url.database))
        try:
            private_files.make_directory(path.parent)
            with suppress(PermissionError):  # SQLite reports it, and says what it wanted to do
                private_files.create_file(path)  # SQLite gives its other files the permissions of this one
        except OSError as error:
            raise self._unreachable(str(error), transient=False) from None

    def _unreachable(self, reason: str, *, transient: bool) -> DatabaseUnreachable:
        password = self.engine.url.password
        if password:
            reason = reason.replace(str(password), "***")
        reason = reason.partition("\n")[0].rstrip(".")
        message = f"{self.place} cannot be used: {reason}. {_REMEDY}"
        return DatabaseUnreachable(message, transient=transient)


def default_database_url(environ: Mapping[str, str], cwd: Path) -> str:
    """Return the URL in `environ`, or of a SQLite file in `$DAGSTER_HOME`, or in `.dagster` below `cwd`."""
    if url := environ.get(VARIABLE):
        return url
    home = environ.get("DAGSTER_HOME")
    folder = Path(home) if home else cwd / ".dagster"
    return URL.create("sqlite", database=str(folder / "harvest.db")).render_as_string()


def parse(url: str) -> URL:
    """Return the URL with the driver of this package and with an absolute path.

    Raises:
        BadInput: the URL is invalid, or its database is not supported.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None:
        # The message shows neither the text nor SQLAlchemy's exception: both may contain a password.
        raise BadInput(f"The database URL cannot be read. {_REMEDY}")
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in _SQLITE:
        return _sqlite_file(parsed)
    raise BadInput(f"Databases of the kind {parsed.drivername!r} are not supported. {_REMEDY}")


def _sqlite_file(url: URL) -> URL:
    """Return the URL with an absolute path, which names the same file after a change of directory."""
    path = url.database or ":memory:"
    if url.host or path == ":memory:" or path.startswith("file:"):
        raise BadInput(
            f"A SQLite database must be a plain file, because every process of a run opens it. {_REMEDY}"
        )
    return URL.create("sqlite", database=str(Path(path).absolute()))


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite database {url.database}"
    host = url.host or url.query.get("host") or "the default host"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL database {url.database or '(default)'} on {host}{port}"

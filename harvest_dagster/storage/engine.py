"""The way into the harvest database: which one it is, one transaction, and this project's errors for it.

Here: what a URL may say and what a caller gets. Not here: what the dialects need (`connections`), the schema
(`tables`), how it comes to be (`migrations`), any query.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from sqlalchemy import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from harvest_dagster.errors import BadInput, DatabaseUnreachable
from harvest_dagster.storage import connections, migrations

VARIABLE = "HARVEST_DATABASE_URL"
_REMEDY = f"Set {VARIABLE} to sqlite:////absolute/path or postgresql://user:password@host/name."

_SQLITE = frozenset({"sqlite", "sqlite+pysqlite"})
_POSTGRESQL = frozenset({"postgresql", "postgres", "postgresql+psycopg2", "postgresql+psycopg"})


@dataclass(frozen=True)
class Database:
    """One harvest database, whose schema is this code's; as a context manager it disposes of itself.

    Attributes:
        engine: SQLAlchemy's; for queries take `begin` or `read`.
        place: what to call it in a message; no password, no query string.
    """

    engine: Engine = field(repr=False)
    place: str

    @classmethod
    def open(cls, url: str) -> Database:
        """Connects, and creates or migrates the schema where that is due.

        Raises:
            BadInput: not a URL, or one of a database that is not supported.
            DatabaseUnreachable: no connection, or no leave to write there.
            DatabaseNewerThanCode: migrated by a newer version of this package.
        """
        parsed = parse(url)
        database = cls(connections.create(parsed), _place(parsed))
        try:
            database._make_folder()
            with database._errors():
                migrations.ensure(database.engine, database.place)
        except BaseException:
            database.dispose()
            raise
        return database

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self.engine.dialect.name

    @contextmanager
    def begin(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back on an exception.

        On SQLite it holds the one write lock from its beginning, so that what it reads stays true until it
        writes.

        Args:
            durable: False for what may be lost where the server crashes within a second: PostgreSQL's commit
                then waits for no disk. (On SQLite none does, and only a machine that crashes loses the last.)

        Raises:
            DatabaseUnreachable: no connection, it broke, or another process wrote for longer than a minute.
        """
        writer = self.engine.execution_options(sqlite_begin="BEGIN IMMEDIATE", durable=durable)
        with self._errors(), writer.begin() as connection:
            yield connection

    @contextmanager
    def steps(self) -> Iterator[Connection]:
        """Statements that are safe one by one, for what must cost little.

        On PostgreSQL each is a transaction of its own, so that none pays for BEGIN and COMMIT. On SQLite, where
        those are for nothing, they are one as of `begin`.

        Raises:
            DatabaseUnreachable: as `begin`.
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
        """One transaction that only reads; it waits for no writer, and is rolled back at the end.

        Raises:
            DatabaseUnreachable: no connection, or it broke.
        """
        with self._errors(), self.engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        """Closes the connections of the pool; the next use opens new ones."""
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
            # Not chained: no traceback shows what a driver may quote of the URL.
            raise self._unreachable(str(error.orig), transient=connections.may_pass(error)) from None

    def _make_folder(self) -> None:
        if self.dialect != "sqlite":
            return
        try:
            Path(str(self.engine.url.database)).parent.mkdir(parents=True, exist_ok=True)
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
    """The URL in `environ`, else of a SQLite file in `$DAGSTER_HOME`, else in `.dagster` below `cwd`."""
    if url := environ.get(VARIABLE):
        return url
    home = environ.get("DAGSTER_HOME")
    folder = Path(home) if home else cwd / ".dagster"
    return URL.create("sqlite", database=str(folder / "harvest.db")).render_as_string()


def parse(url: str) -> URL:
    """The URL with the driver this project uses, and an absolute path.

    Raises:
        BadInput: not a URL, or one of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None
    if parsed is None:
        # Neither the text nor SQLAlchemy's exception is shown: a password may stand in both.
        raise BadInput(f"The database URL cannot be read. {_REMEDY}")
    if parsed.drivername in _POSTGRESQL:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in _SQLITE:
        return _sqlite_file(parsed)
    raise BadInput(f"Databases of the kind {parsed.drivername!r} are not supported. {_REMEDY}")


def _sqlite_file(url: URL) -> URL:
    """The URL with an absolute path: a process that changes its directory still means the same file."""
    path = url.database or ":memory:"
    if url.host or path == ":memory:" or path.startswith("file:"):
        raise BadInput(f"SQLite must be a plain file, for every process of a run opens it. {_REMEDY}")
    return URL.create("sqlite", database=str(Path(path).absolute()))


def _place(url: URL) -> str:
    if url.get_backend_name() == "sqlite":
        return f"SQLite database {url.database}"
    host = url.host or url.query.get("host") or "the default host"
    port = f":{url.port}" if url.port else ""
    return f"PostgreSQL database {url.database or '(default)'} on {host}{port}"

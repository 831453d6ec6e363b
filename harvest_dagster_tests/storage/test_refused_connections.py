"""A wrong URL of the database is an error at once. An outage of the database is waited for."""

from __future__ import annotations

import socket

import pytest

from harvest_dagster.errors import DatabaseUnreachable
from harvest_dagster.storage.database import VARIABLE, Database
from harvest_dagster_tests.storage.refusing_server import refusing_server


def failure(url: str) -> DatabaseUnreachable:
    with pytest.raises(DatabaseUnreachable) as caught:
        Database.open(url)
    return caught.value


@pytest.mark.parametrize(
    ("sqlstate", "message", "is_transient"),
    [
        ("28P01", 'password authentication failed for user "harvest"', False),
        ("28000", 'no pg_hba.conf entry for host "127.0.0.1", user "harvest", database "harvest"', False),
        ("28000", 'role "harvest" does not exist', False),
        ("28000", 'role "harvest" is not permitted to log in', False),
        ("42501", 'permission denied for database "harvest"', False),
        ("3D000", 'database "harvest" does not exist', False),
        ("57P03", "the database system is starting up", True),
        ("57P03", "the database system is shutting down", True),
        ("53300", "sorry, too many clients already", True),
    ],
)
def test_an_answer_that_a_person_must_correct_is_not_transient(
    sqlstate: str, message: str, is_transient: bool
) -> None:
    """libpq has no SQLSTATE for it, so a wrong password looked like an outage, and runs waited for hours."""
    with refusing_server(sqlstate, message) as url:
        error = failure(url)
    assert error.transient is is_transient
    assert message in str(error)
    assert str(error).endswith(
        f"Set {VARIABLE} to sqlite:////absolute/path or postgresql://user:password@host/name."
    )
    assert "hunter2" not in str(error)


def test_a_refused_connection_is_transient() -> None:
    """A server that restarts refuses connections for a while."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert failure(f"postgresql://harvest@127.0.0.1:{port}/harvest").transient


@pytest.mark.parametrize(
    ("code", "text", "is_transient"),
    [
        (socket.EAI_NONAME, "Name or service not known", False),
        (socket.EAI_AGAIN, "Temporary failure in name resolution", True),
    ],
)
def test_a_host_name_that_does_not_exist_is_not_transient(
    code: int, text: str, is_transient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt name stays misspelt. A name server that does not answer is an outage."""

    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(code, text)

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    assert failure("postgresql://harvest@no-such-host.example/harvest").transient is is_transient

"""A spool in an object store: which errors end by waiting, which need a person, and no bucket is created."""

from __future__ import annotations

import socket
from typing import Any

import fsspec
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, SSLError
from s3fs import S3FileSystem
from s3fs.errors import translate_boto_error

from harvest_dagster.errors import BadInput, SpoolError, SpoolUnreachable
from harvest_dagster.spool import FetchSummary, ParsedPage, ParsedPageWriter, Spool, store_errors
from harvest_dagster.spool.filesystem import StoredFiles
from harvest_dagster_tests.object_store import counted_requests, failing_requests


def client_error(code: str, status: int = 400) -> Exception:
    """Return the exception of s3fs for an error code of the store."""
    response = {
        "Error": {"Code": code, "Message": f"about {code}"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return translate_boto_error(ClientError(response, "PutObject"))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (EndpointConnectionError(endpoint_url="http://s3.test"), True),
        (ConnectionResetError("reset"), True),
        (TimeoutError("timed out"), True),
        (client_error("SlowDown", 503), True),
        (client_error("InternalError", 500), True),
        (client_error("SomethingElse", 502), True),
        (client_error("ExpiredToken"), True),
        (client_error("NoSuchBucket", 404), False),
        (client_error("AccessDenied", 403), False),
        (client_error("InvalidAccessKeyId", 403), False),
        (client_error("PermanentRedirect", 301), False),
        (NoCredentialsError(), False),
        (SSLError(endpoint_url="https://s3.test", error="certificate verify failed"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_an_error_that_ends_by_waiting_is_transient(error: Exception, transient: bool) -> None:
    """A run would wait for days for a bucket that does not exist, or fail because a store restarted."""
    assert store_errors.is_transient(error) is transient


def test_a_bucket_that_does_not_exist_is_one_clear_error_and_is_not_created(object_store: Any) -> None:
    """A misspelt bucket was created, and the pages of an interrupted harvest were not found in it."""
    spool = Spool("s3://no-such-bucket/spool")
    with pytest.raises(
        BadInput, match=r"s3://no-such-bucket/spool cannot be used: .*Create the bucket, or correct"
    ):
        spool.verify_access()
    with pytest.raises(SpoolError, match="Create the bucket"):
        spool.attempt("x").write_summary(FetchSummary(0, 0, "complete"))
    for access in (spool.directories, lambda: spool.attempt("x").read_summary(), lambda: spool.clear("x")):
        with pytest.raises(SpoolError, match="No bucket is ever created"):
            access()
    assert "no-such-bucket" not in object_store.ls("")


def test_what_verifies_the_access_leaves_nothing(object_store: Any) -> None:
    """Each run does it."""
    spool = Spool("s3://harvest/verified")
    with counted_requests(object_store) as counted:
        spool.verify_access()
    assert counted == {"PUT": 1, "DELETE": 1}
    assert spool.files.find("") == {}


def test_a_store_that_refuses_the_credentials_is_a_mistake_of_the_operator(object_store: Any) -> None:
    """The run fails before it touches anything, with the permissions that it needs."""
    with (
        failing_requests(object_store, lambda: client_error("AccessDenied", 403)),
        pytest.raises(BadInput, match=r"about AccessDenied\. Allow the credentials to list"),
    ):
        Spool("s3://harvest/refused").verify_access()


def test_a_store_that_is_away_is_no_damaged_spool(monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged spool is fetched again. One that is away returns, with its pages."""
    monkeypatch.setattr(S3FileSystem, "retries", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    options = {
        "endpoint_url": f"http://127.0.0.1:{port}",
        "key": "the key",
        "secret": "the secret",
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    monkeypatch.setitem(fsspec.config.conf, "s3", options)
    spool = Spool("s3://harvest/spool")
    attempt = spool.attempt("x")
    for access in (
        spool.verify_access,
        spool.directories,
        attempt.read_summary,
        attempt.page_count,
        lambda: attempt.find_parsed_pages(0),
        lambda: attempt.write_summary(FetchSummary(0, 0, "complete")),
        lambda: spool.clear("x"),
    ):
        with pytest.raises(
            SpoolUnreachable, match=r"s3://harvest/spool cannot be reached: .*check the object"
        ) as caught:
            access()
        assert caught.value.transient
        assert caught.value.__cause__ is None
        assert "the secret" not in str(caught.value)


def test_no_secret_reaches_an_error(object_store: Any, bucket: dict[str, Any]) -> None:
    """Errors are stored in the database and shown in the UI."""
    leak = RuntimeError(f"bad: {bucket['secret']}, {bucket['key']}")
    files = StoredFiles(object_store, "harvest/x", "s3://harvest/x")
    with (
        failing_requests(object_store, lambda: leak),
        pytest.raises(SpoolError, match=r"bad: \*\*\*, \*\*\*"),
    ):
        files.read("x")
    place = Spool("memory://user:password@host/spool?token=t").files.place
    assert place == "memory://host/spool"


def test_small_parsed_pages_share_a_file(object_store: Any) -> None:
    """Each file costs a request to write it, and one in each of the two steps that read it."""
    spool = Spool("s3://harvest/shared").attempt("x")
    pages = [ParsedPage([], []) for _ in range(50)]
    with counted_requests(object_store) as counts:
        writer = ParsedPageWriter(spool)
        for one in pages:
            writer.add(one)
        writer.end(FetchSummary(50, 0, "complete"))
    assert counts == {"PUT": 2}
    again = ParsedPageWriter(spool)
    assert list(again.add_earlier_pages(50)) == [len(page.records) for page in pages]
    assert list(ParsedPageWriter(spool).add_earlier_pages(49)) == []

"""Files in a bucket and on an SFTP server, with real protocols."""

from __future__ import annotations

import gzip
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.sftp import SFTPFileSystem

from harvest_dagster.errors import SourceUnreachable
from harvest_dagster_tests.harvesters.files.sftp_server import PASSWORD, USER, serving_files
from harvest_dagster_tests.harvesters.files.sources import MARCH, files, lines


def test_files_in_a_bucket_are_read_in_order(
    bucket: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Providers deliver dumps in buckets. A change of an object is known by its ETag."""
    monkeypatch.setitem(fsspec.config.conf, "s3", bucket)
    dumps = fsspec.filesystem("s3")
    dumps.pipe({"harvest/dumps/a.jsonl.gz": gzip.compress(lines(25)), "harvest/dumps/b.jsonl": lines(5, 25)})
    source = files("s3://harvest/dumps/*", page_size=10)
    pages, found = source.read()
    assert [record.identifier for record in found] == [str(number) for number in range(30)]
    assert ([page.count for page in pages], pages[-1].total) == ([10, 10, 5, 5], 30)
    assert pages[0].source_time is not None
    again, _ = files("s3://harvest/dumps/*", page_size=10).read(MARCH, pages[0].next)
    assert [page.body for page in again] == [page.body for page in pages[1:]]


def test_files_on_an_sftp_server_are_read(tmp_path: Path) -> None:
    """Libraries still exchange files by SFTP."""
    (tmp_path / "a.jsonl").write_bytes(lines(25))
    (tmp_path / "b.csv").write_text("id,date\n7,2024-03-02\n")
    with serving_files(tmp_path) as server:
        address = f"sftp://{USER}:{PASSWORD}@{server}"
        pages, found = files(f"{address}/*.jsonl", page_size=10).read()
        rows = files(f"{address}/b.csv", format="csv").identifiers()
        close_connections()
    assert ([page.count for page in pages], pages[-1].total, rows) == ([10, 10, 5], 25, ["7"])
    assert [record.identifier for record in found] == [str(number) for number in range(25)]
    assert not any(PASSWORD in page.request.url for page in pages)


def test_the_error_of_a_refused_login_contains_no_password(tmp_path: Path) -> None:
    """It goes into the log and the database."""
    with serving_files(tmp_path) as server:
        with pytest.raises(SourceUnreachable, match="AuthenticationException") as caught:
            files(f"sftp://{USER}:wrong-q83v@{server}/a.jsonl").read()
        close_connections()
    assert "wrong-q83v" not in str(caught.value)


def close_connections() -> None:
    """Close what fsspec keeps open, so that the server ends."""
    for system in SFTPFileSystem._cache.values():
        system.client.close()
    SFTPFileSystem.clear_instance_cache()

"""Files over HTTP: downloaded once, read from the disk, and compared with what an earlier run read."""

from __future__ import annotations

import gzip
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from harvest_dagster.errors import CursorRefused, ResponseTooLarge
from harvest_dagster.http.redaction import Redactor
from harvest_dagster.masking import build_masker
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.harvesters.files.sources import MARCH, files, lines
from harvest_dagster_tests.http.conftest import clock, open_session, serve, waits
from harvest_dagster_tests.http.server import response, then_close

__all__ = ["clock", "open_session", "serve", "waits"]

SENT = datetime(2024, 4, 10, tzinfo=timezone.utc)
STRONG = {"ETag": '"a1"'}


def dated(changed: timedelta, **headers: str) -> dict[str, str]:
    """Return the headers Date and Last-Modified of a file that changed at this time before it was sent."""
    modified = format_datetime(SENT - changed, usegmt=True)
    return {"Date": format_datetime(SENT, usegmt=True), "Last_Modified": modified, **headers}


def test_a_file_is_downloaded_once_and_read_in_pages(serve, open_session) -> None:
    """The server may cut what it sends, so there is no total."""
    server = serve(response(lines(25)))
    pages, found = files(server.url, open_session(), page_size=10).read()
    assert [record.identifier for record in found] == [str(number) for number in range(25)]
    assert ([page.count for page in pages], pages[-1].total) == ([10, 10, 5], None)
    assert server.paths == ["/oai"]


def test_a_compressed_file_may_be_larger_than_a_page(serve, open_session) -> None:
    """A dump of 10 GB is no page: it is read from the disk."""
    server = serve(response(gzip.compress(lines(2000))))
    limits = ResponseLimits(received_bytes=500, response_bytes=500)
    source = files(server.url, open_session(response_limits=limits), limits)
    assert len(source.identifiers()) == 2000


def test_a_file_beyond_its_limit_is_an_error_that_names_the_key(serve, open_session) -> None:
    """A server that never ends would fill the disk."""
    limits = ResponseLimits(file_bytes=500)
    with pytest.raises(ResponseTooLarge, match=r"file_bytes is 500.*raise `limits: \{file_bytes: …\}`"):
        files(serve(response(lines(100))).url, open_session(response_limits=limits)).read()
    encoded = response(gzip.compress(lines(100)), Content_Encoding="gzip")
    with pytest.raises(ResponseTooLarge, match="file_bytes is 500"):
        files(serve(encoded).url, open_session(response_limits=limits)).read()


def test_an_interrupted_download_begins_again(serve, open_session) -> None:
    """The bytes of the first attempt must not precede those of the second one."""
    server = serve(then_close(response(lines(9), Content_Length="5000")), response(lines(3)))
    assert files(server.url, open_session()).identifiers() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("headers", "is_same"),
    [
        (STRONG, True),
        (dated(timedelta(minutes=2)), True),
        ({"ETag": 'W/"a1"'}, False),
        (dated(timedelta(seconds=30)), False),
        ({}, False),
    ],
    ids=["strong ETag", "old Last-Modified", "weak ETag", "new Last-Modified", "nothing"],
)
def test_a_harvest_resumes_if_the_headers_prove_that_the_file_is_the_same(
    serve, open_session, headers: dict[str, str], is_same: bool
) -> None:
    """Records of two versions would be mixed, and a harvest of hours would begin again without a reason."""
    server = serve(response(lines(25), **headers))
    pages, _ = files(server.url, open_session(), page_size=10).read()
    again = files(server.url, open_session(), page_size=10)
    if is_same:
        assert [page.count for page in again.read(MARCH, pages[0].next)[0]] == [10, 5]
    else:
        with pytest.raises(CursorRefused, match="may have changed"):
            again.read(MARCH, pages[0].next)


def test_a_file_that_has_changed_is_read_from_its_start(serve, open_session) -> None:
    """The cursor counts the records of another file."""
    server = serve(response(lines(25), **STRONG), response(lines(25), ETag='"a2"'))
    pages, _ = files(server.url, open_session(), page_size=10).read()
    with pytest.raises(CursorRefused):
        files(server.url, open_session(), page_size=10).read(MARCH, pages[0].next)


def test_the_time_of_the_last_change_is_the_time_of_the_source(serve, open_session) -> None:
    """A dump that is written once a month lacks the records of yesterday, whenever it is downloaded."""
    server = serve(
        response(lines(3), **dated(timedelta(days=20))), response(lines(3), Date=dated(timedelta())["Date"])
    )
    source = files(server.url, open_session())
    assert source.read()[0][0].source_time == SENT - timedelta(days=20)
    assert source.read()[0][0].source_time == SENT


def test_a_record_that_repeats_a_secret_is_masked_also_in_a_compressed_file(serve, open_session) -> None:
    """The spool and the database must not contain it."""
    secret = "q83vASN/FZ4"
    content = f'{{"id": "1", "date": "2024-03-02", "link": "https://x/?key={secret}"}}\n'.encode()
    server = serve(response(gzip.compress(content)))
    (page,), _ = files(server.url, open_session(secrets=[secret])).read()
    assert secret.encode() not in page.body
    assert b"***" in page.body


def test_a_secret_in_the_url_reaches_neither_page_nor_cursor(serve, open_session) -> None:
    """Both go into the spool, and the cursor into the database."""
    secret = "q83vASN/FZ4"
    server = serve(response(lines(25), **STRONG))
    session = open_session(secrets=[secret], redact=Redactor(build_masker([secret])).replace)
    url = server.url.replace("//", "//me:q83vASN-FZ5@") + f"?key={secret}"
    pages, _ = files(url, session, page_size=10).read()
    shown = "".join(f"{page.request} {page.cursor} {page.next}" for page in pages)
    assert "q83vASN" not in shown
    assert "127.0.0.1" in shown

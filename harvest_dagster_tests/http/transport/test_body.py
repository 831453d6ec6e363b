"""Bodies with a Content-Encoding, and bodies without an end."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.transport.body import decode_chunks, join_bounded
from harvest_dagster.response_limits import ResponseLimits
from harvest_dagster_tests.http.server import response

URL = "http://source.example/oai"


def deflate(content: bytes) -> bytes:
    """Compress without the header of zlib, as some servers do for `deflate`."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


COMPRESSORS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate ": deflate}


def decompress(compressed: bytes, encoding: str, size: int) -> bytes:
    chunks = (compressed[start : start + size] for start in range(0, len(compressed), size))
    return b"".join(decode_chunks(chunks, encoding, URL))


@given(st.binary(max_size=2000), st.sampled_from(sorted(COMPRESSORS)), st.integers(1, 300))
def test_a_body_is_decoded_from_chunks_of_any_size(content, encoding, size):
    """The network cuts a body anywhere."""
    assert decompress(COMPRESSORS[encoding](content), encoding, size) == content


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.integers(1, 50),
    st.sampled_from([b"", b"\0" * 9]),
)
def test_several_gzip_members_are_one_body(contents, size, padding):
    """Some servers append members. A decoder that reads only the first takes the page for complete."""
    compressed = b"".join(map(gzip.compress, contents)) + padding
    assert decompress(compressed, "gzip", size) == b"".join(contents)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate "])
@pytest.mark.parametrize("content", [b"<list>" + b"<record/>" * 500, b"\0" * (1 << 20)])
def test_a_truncated_compressed_body_is_an_error(encoding, content):
    """`requests` returns the part that arrived, without an error (docs/failures.md#truncated-page)."""
    compressed = COMPRESSORS[encoding](content)
    for end in (1, len(compressed) // 2, len(compressed) - 1):
        with pytest.raises(SourceUnreachable, match="cut short"):
            decompress(compressed[:end], encoding, 1000)


def test_a_truncated_gzip_body_is_retried(serve, open_session):
    """Its Content-Length is right, because the server or a proxy stopped in the middle."""
    compressed = gzip.compress(b"<list/>" * 100)
    server = serve(
        response(compressed[:-10], Content_Encoding="gzip"), response(compressed, Content_Encoding="gzip")
    )
    assert open_session().get(server.url).body == b"<list/>" * 100


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_the_error_of_a_wrong_content_encoding_shows_the_body(serve, open_session, encoding):
    """A proxy may decompress the body and keep the header. No retry helps; the operator must see the body."""
    server = serve(response(b"<?xml version='1.0'?><list/>", Content_Encoding=encoding))
    with pytest.raises(MalformedResponse, match=rf"not {encoding}.*it begins with b'<\?xml ve'"):
        open_session().get(server.url)
    assert len(server.requests) == 1


def test_a_damaged_body_is_an_error():
    """The checksum at its end does not match."""
    compressed = bytearray(gzip.compress(bytes(range(256)) * 100))
    compressed[-6] ^= 1
    with pytest.raises(MalformedResponse, match="damaged inside"):
        decompress(bytes(compressed), "gzip", 100)


@pytest.mark.parametrize("encoding", ["UTF-8", "none", "identity", "binary", "utf-8, none", "8bit"])
def test_a_content_encoding_that_is_no_coding_does_not_fail_the_page(serve, open_session, encoding):
    """A source that sends `Content-Encoding: UTF-8` could never be harvested (docs/failures.md#wrong-labels)."""
    server = serve(response(b"<list/>", Content_Encoding=encoding))
    assert open_session().get(server.url).body == b"<list/>"


def test_a_coding_beside_a_name_that_is_none_is_used():
    """The name of a character set must not hide that the body is compressed."""
    assert decompress(gzip.compress(b"<list/>"), "gzip, UTF-8", 5) == b"<list/>"


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "br, utf-8"])
def test_an_encoding_that_was_not_accepted_is_an_error(encoding):
    """The encoded bytes would be stored as if they were XML."""
    with pytest.raises(MalformedResponse, match="accepts only gzip, deflate"):
        list(decode_chunks([b"x"], encoding, URL))


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_an_undecodable_error_page_still_has_its_status(serve, open_session, encoding):
    """The status decides about the retry; the body is only an excerpt in the message."""
    server = serve(response(b"<html>", 503, Content_Encoding=encoding), response(b"<ok/>"))
    assert open_session().get(server.url).body == b"<ok/>"


@pytest.mark.parametrize("encoding", ["", "identity", "gzip"])
def test_an_empty_body_is_valid_in_any_encoding(serve, open_session, encoding):
    """Servers send Content-Encoding with empty responses, too."""
    server = serve(response(b"", Content_Encoding=encoding))
    assert open_session().get(server.url).body == b""


def test_a_decompression_bomb_is_not_held_in_memory():
    """400 KB that become 400 MB would end the worker (docs/failures.md#memory-grows)."""
    bomb = gzip.compress(bytes(400 << 20), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(
            ResponseTooLarge,
            match=r"limits.response_bytes is 1048576\. .* raise `limits: {response_bytes: …}`",
        ):
            join_bounded(decode_chunks([bomb], "gzip", URL), ResponseLimits(response_bytes=1 << 20), URL)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_an_endless_body_is_an_error(serve, open_session):
    """A server in a loop would fill the memory of the worker."""

    def send_endlessly(connection) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for chunk in repeat(b"<record/>" * 1000):
            connection.sendall(chunk)

    server = serve(send_endlessly)
    with pytest.raises(
        ResponseTooLarge, match=r"limits.received_bytes is 100000\. .* raise `limits: {received_bytes: …}`"
    ) as caught:
        open_session(response_limits=ResponseLimits(received_bytes=100_000)).get(server.url)
    assert not caught.value.transient
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"]
)
def test_endless_headers_or_chunk_sizes_are_an_error(serve, open_session, head):
    """The size limit of the body does not include headers and chunk sizes."""

    def send_endlessly(connection) -> None:
        connection.sendall(head)
        for chunk in repeat(b"x" * 10_000):
            connection.sendall(chunk)

    with pytest.raises(ResponseTooLarge):
        open_session(response_limits=ResponseLimits(received_bytes=30_000)).get(serve(send_endlessly).url)

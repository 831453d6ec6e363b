"""Bodies that are compressed, or say so."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from itertools import repeat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, SourceUnreachable
from harvest_dagster.http.body import bounded, decoded
from harvest_dagster.http.session import Sizes
from harvest_dagster_tests.http.server import response

PLACE = "http://source.example/oai"


def deflate(content: bytes) -> bytes:
    """Without the header of zlib, as some servers understand `deflate`."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush()


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress, "Deflate ": deflate}


def unpack(packed: bytes, encoding: str, size: int) -> bytes:
    pieces = (packed[start : start + size] for start in range(0, len(packed), size))
    return b"".join(decoded(pieces, encoding, PLACE))


@given(st.binary(max_size=2000), st.sampled_from(sorted(PACKERS)), st.integers(1, 300))
def test_what_was_packed_comes_out_however_it_is_cut_into_pieces(content, encoding, size):
    """The network cuts where it likes."""
    assert unpack(PACKERS[encoding](content), encoding, size) == content


@given(
    st.lists(st.binary(max_size=300), min_size=1, max_size=4),
    st.integers(1, 50),
    st.sampled_from([b"", b"\0" * 9]),
)
def test_several_gzip_members_are_one_body(contents, size, padding):
    """Servers that append to a log of gzip members: only the first would be read, and the page look whole."""
    packed = b"".join(map(gzip.compress, contents)) + padding
    assert unpack(packed, "gzip", size) == b"".join(contents)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "Deflate "])
@pytest.mark.parametrize("content", [b"<list>" + b"<record/>" * 500, b"\0" * (1 << 20)])
def test_a_packed_body_that_was_cut_is_cut(encoding, content):
    """Lesson 1: requests gives what there is, without a word."""
    packed = PACKERS[encoding](content)
    for end in (1, len(packed) // 2, len(packed) - 1):
        with pytest.raises(SourceUnreachable, match="cut short"):
            unpack(packed[:end], encoding, 1000)


def test_a_cut_gzip_body_is_fetched_again(serve, open_session):
    """Its Content-Length is right: the server itself, or a proxy, gave up in the middle."""
    packed = gzip.compress(b"<list/>" * 100)
    server = serve(response(packed[:-10], Content_Encoding="gzip"), response(packed, Content_Encoding="gzip"))
    assert open_session().get(server.url).body == b"<list/>" * 100


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_body_that_is_not_packed_as_it_says_is_named_with_what_was_seen(serve, open_session, encoding):
    """A proxy that unpacks and leaves the header: no retry helps, and the operator has to see what it is."""
    server = serve(response(b"<?xml version='1.0'?><list/>", Content_Encoding=encoding))
    with pytest.raises(MalformedResponse, match=rf"not {encoding}.*it begins with b'<\?xml ve'"):
        open_session().get(server.url)
    assert len(server.requests) == 1


def test_a_body_that_is_damaged_inside_is_no_body():
    """The check sum at the end is there to be checked."""
    packed = bytearray(gzip.compress(bytes(range(256)) * 100))
    packed[-6] ^= 1
    with pytest.raises(MalformedResponse, match="damaged inside"):
        unpack(bytes(packed), "gzip", 100)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "utf-8"])
def test_an_encoding_nobody_asked_for_is_refused(encoding):
    """Its bytes would be stored as if they were XML."""
    with pytest.raises(MalformedResponse, match="only gzip, deflate were asked for"):
        list(decoded([b"x"], encoding, PLACE))


@pytest.mark.parametrize("encoding", ["br", "gzip"])
def test_an_error_page_that_cannot_be_unpacked_is_still_an_error_page(serve, open_session, encoding):
    """What is wrong is the status; the excerpt is a courtesy."""
    server = serve(response(b"<html>", 503, Content_Encoding=encoding), response(b"<ok/>"))
    assert open_session().get(server.url).body == b"<ok/>"


@pytest.mark.parametrize("encoding", ["", "identity", "gzip"])
def test_an_empty_body_is_empty_in_any_encoding(serve, open_session, encoding):
    """Servers put Content-Encoding on answers without content, too."""
    server = serve(response(b"", Content_Encoding=encoding))
    assert open_session().get(server.url).body == b""


def test_a_bomb_is_never_held_in_memory():
    """Lesson 27: 400 KB that become 400 MB end the worker, not the harvest."""
    bomb = gzip.compress(bytes(400 << 20), compresslevel=1)
    tracemalloc.start()
    try:
        with pytest.raises(ResponseTooLarge, match="larger than 1048576 bytes when decoded"):
            bounded(decoded([bomb], "gzip", PLACE), 1 << 20, PLACE)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_body_without_an_end_is_not_waited_for(serve, open_session):
    """A server in a loop fills the disk of every worker."""

    def endlessly(connection) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for piece in repeat(b"<record/>" * 1000):
            connection.sendall(piece)

    server = serve(endlessly)
    with pytest.raises(ResponseTooLarge, match="larger than 100000 bytes") as caught:
        open_session(sizes=Sizes(received=100_000)).get(server.url)
    assert not caught.value.transient
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"]
)
def test_a_head_or_a_chunk_size_without_an_end_is_not_waited_for(serve, open_session, head):
    """The limit for the body does not see them."""

    def endlessly(connection) -> None:
        connection.sendall(head)
        for piece in repeat(b"x" * 10_000):
            connection.sendall(piece)

    with pytest.raises(ResponseTooLarge):
        open_session(sizes=Sizes(received=30_000)).get(serve(endlessly).url)

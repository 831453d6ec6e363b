"""Decode the Content-Encoding of a body, check that the body is complete, and bound its size.

`requests` would decode a body into memory of any size, and would return an incomplete gzip stream without an error.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Any

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, SourceUnreachable
from harvest_dagster.response_limits import ResponseLimits, raise_limit

CHUNK_SIZE = 64 * 1024
"""Bytes that are read or decoded at a time."""
ACCEPTED = "gzip, deflate"
"""The value of Accept-Encoding."""

# The registered content codings that are not accepted (RFC 9110, section 16.6.1), and those that servers use without
# registration. Any other name, such as `UTF-8` or `none`, is no coding: its author meant something else.
_OTHER_CODINGS = frozenset(
    {"aes128gcm", "br", "compress", "dcb", "dcz", "exi", "pack200-gzip", "x-compress", "zstd"}
    | {"bzip2", "x-bzip2", "lzma", "xz", "lz4", "lzip", "snappy", "sdch", "brotli", "zlib", "x-zip"}
)
_ACCEPTED_CODINGS = frozenset({"gzip", "x-gzip", "deflate"})
_CODINGS = _ACCEPTED_CODINGS | _OTHER_CODINGS
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS
_GZIP_MAGIC = b"\x1f\x8b"
# Bytes of a body in an error message: enough to tell XML, HTML and JSON apart, too few to repeat a secret.
_SHOWN = 8


def decode_chunks(chunks: Iterable[bytes], encoding: str, url: str) -> Iterator[bytes]:
    """Yield the decoded content in chunks.

    A name that is no content coding does not count: sources send `Content-Encoding: UTF-8`
    (docs/failures.md#wrong-labels). The parsers are strict, so bytes that are encoded are not taken for content.

    Args:
        chunks: The bytes as received. No chunk is empty.
        encoding: The value of the header Content-Encoding, empty if there is none.
        url: The requested URL, secrets masked, for messages.

    Raises:
        MalformedResponse: The body is not encoded as the header says, or the request did not accept this encoding.
        SourceUnreachable: The end of the encoded stream is missing.
    """
    names = [name for part in encoding.lower().split(",") if (name := part.strip()) in _CODINGS]
    name = ", ".join(names)
    if not names:
        yield from chunks
    elif name in _ACCEPTED_CODINGS:
        yield from _decompress(chunks, name, url)
    else:
        message = (
            f"{url}: the response has the Content-Encoding {name[:40]!r}, but the request accepts only {ACCEPTED}."
            " Inform the operator of the source."
        )
        raise MalformedResponse(message)


def join_bounded(chunks: Iterable[bytes], limits: ResponseLimits, url: str) -> bytes:
    """Return all chunks joined. Memory never holds much more than `response_bytes` of the limits.

    Raises:
        ResponseTooLarge: The chunks have more than `response_bytes`.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > limits.response_bytes:
            message = (
                f"{url}: the decoded response has more bytes than allowed: {limits.describe('response_bytes')}. "
                f"Request smaller pages, or {raise_limit('response_bytes')}."
            )
            raise ResponseTooLarge(message)
    return bytes(body)


def write_bounded(chunks: Iterable[bytes], target: IO[bytes], limits: ResponseLimits, url: str) -> None:
    """Write all chunks to a file, in place of its content.

    Raises:
        ResponseTooLarge: The chunks have more than `file_bytes`.
    """
    target.seek(0)
    target.truncate()
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limits.file_bytes:
            message = (
                f"{url}: the file has more bytes than allowed: {limits.describe('file_bytes')}. "
                f"If it should be that large, {raise_limit('file_bytes')}."
            )
            raise ResponseTooLarge(message)
        target.write(chunk)
    target.flush()


def _decompress(chunks: Iterable[bytes], name: str, url: str) -> Iterator[bytes]:
    decompressor = _Decompressor()
    try:
        for chunk in chunks:
            yield from decompressor.feed(chunk)
        yield decompressor.flush()
    except zlib.error:
        detail = f"it begins with {decompressor.head!r}" if decompressor.is_empty else "it is damaged inside"
        message = f"{url}: the response is not {name}, as its header says: {detail}. Inform the operator of the source."
        raise MalformedResponse(message) from None
    if not decompressor.is_complete:
        message = f"{url}: the response was cut short, the end of its {name} stream is missing. Try later."
        raise SourceUnreachable(message)


class _Decompressor:
    """Decompresses gzip, zlib or raw deflate into chunks of bounded size, even if a small input becomes very large.

    The first byte tells the three formats apart, because servers never agreed on the meaning of `deflate` (RFC 9110,
    section 8.4.1.2). Several gzip members in a row are one content (RFC 1952, section 2.2). Bytes after the last
    member are padding.

    Attributes:
        head: The first bytes of the input.
        is_empty: Whether nothing was decompressed so far.
    """

    def __init__(self) -> None:
        self._member: Any = None
        self._unread = b""
        self._is_padding = False
        self.is_empty = True
        self.head = b""

    @property
    def is_complete(self) -> bool:
        return self._member is None or self._member.eof

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        self.head = self.head or chunk[:_SHOWN]
        data = self._unread + chunk
        self._unread = b""
        while data and (not self.is_complete or self._begin_member(data)):
            content = self._member.decompress(data, CHUNK_SIZE)
            self.is_empty = self.is_empty and not content
            yield content
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def flush(self) -> bytes:
        return b"" if self._member is None else self._member.flush()

    def _begin_member(self, data: bytes) -> bool:
        """Begin a member and return True if one starts here. Keep data that is too short to decide."""
        if self._member is None:
            has_header = data[0] & 0x0F == zlib.DEFLATED or data[0] == _GZIP_MAGIC[0]
            self._member = zlib.decompressobj(_GZIP_OR_ZLIB if has_header else _RAW_DEFLATE)
            return True
        if data.startswith(_GZIP_MAGIC) and not self._is_padding:
            self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            return True
        self._is_padding = self._is_padding or not _GZIP_MAGIC.startswith(data)
        self._unread = b"" if self._is_padding else data
        return False

"""A response's body: whole, of bounded size, content-encoding undone.

`requests` decodes on its own, into memory of any size, and cuts a gzip stream short without a word.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from harvest_dagster.errors import MalformedResponse, ResponseTooLarge, SourceUnreachable

PIECE = 64 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BARE_DEFLATE = -zlib.MAX_WBITS
_GZIP = b"\x1f\x8b"
ACCEPTED = "gzip, deflate"
# Enough to tell XML, HTML and JSON apart, too little to repeat a secret.
_SEEN = 8


def decoded(pieces: Iterable[bytes], encoding: str, place: str) -> Iterator[bytes]:
    """The content, piece by piece.

    Args:
        pieces: the bytes as they came, none of them empty.
        encoding: the header Content-Encoding, empty where there was none.
        place: the URL, redacted, for messages.

    Raises:
        MalformedResponse: it is not encoded as the header says, or in a way that nobody asked for.
        SourceUnreachable: the encoded stream has no end.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
    elif name in ("gzip", "x-gzip", "deflate"):
        yield from _inflated(pieces, name, place)
    else:
        message = (
            f"{place}: the answer is encoded as {name[:40]!r}, but only {ACCEPTED} were asked for."
            " Tell the source's operator."
        )
        raise MalformedResponse(message)


def bounded(pieces: Iterable[bytes], largest: int, place: str) -> bytes:
    """All pieces in one; memory never holds much more than `largest` bytes.

    Raises:
        ResponseTooLarge: there are more.
    """
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > largest:
            message = (
                f"{place}: the answer is larger than {largest} bytes when decoded. Ask for smaller pages."
            )
            raise ResponseTooLarge(message)
    return bytes(body)


def _inflated(pieces: Iterable[bytes], name: str, place: str) -> Iterator[bytes]:
    inflater = _Inflater()
    try:
        for piece in pieces:
            yield from inflater.feed(piece)
        yield inflater.last()
    except zlib.error:
        seen = f"it begins with {inflater.head!r}" if inflater.empty else "it is damaged inside"
        message = (
            f"{place}: the answer is not {name}, as its header says: {seen}. Tell the source's operator."
        )
        raise MalformedResponse(message) from None
    if not inflater.complete:
        message = f"{place}: the answer was cut short, its {name} stream has no end. Try later."
        raise SourceUnreachable(message)


class _Inflater:
    """Undoes gzip, zlib or bare deflate into pieces of bounded size, however small the compressed ones are.

    All three are told apart by their first byte: servers have never agreed on what `deflate` means
    (RFC 9110, section 8.4.1.2). Several gzip members one after the other are one content (RFC 1952, section
    2.2); what follows the last one is padding.
    """

    def __init__(self) -> None:
        self._member: Any = None
        self._unread = b""
        self._padding = False
        self.empty = True
        self.head = b""

    @property
    def complete(self) -> bool:
        return self._member is None or self._member.eof

    def feed(self, piece: bytes) -> Iterator[bytes]:
        self.head = self.head or piece[:_SEEN]
        data = self._unread + piece
        self._unread = b""
        while data and (not self.complete or self._begins(data)):
            content = self._member.decompress(data, PIECE)
            self.empty = self.empty and not content
            yield content
            data = self._member.unused_data if self._member.eof else self._member.unconsumed_tail

    def last(self) -> bytes:
        return b"" if self._member is None else self._member.flush()

    def _begins(self, data: bytes) -> bool:
        """Whether a member begins here; too few bytes to tell are kept until more have come."""
        if self._member is None:
            framed = data[0] & 0x0F == zlib.DEFLATED or data[0] == _GZIP[0]
            self._member = zlib.decompressobj(_GZIP_OR_ZLIB if framed else _BARE_DEFLATE)
            return True
        if data.startswith(_GZIP) and not self._padding:
            self._member = zlib.decompressobj(_GZIP_OR_ZLIB)
            return True
        self._padding = self._padding or not _GZIP.startswith(data)
        self._unread = b"" if self._padding else data
        return False

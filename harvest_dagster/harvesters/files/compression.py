"""Open compressed files and archives as streams: gzip, zstd, bzip2, zip and tar, also one inside another.

They are recognized by their first bytes, because a name may be wrong. Each stream is read in bounded memory. The
end of a truncated file raises EOFError: it must not look like the end of the data.
"""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from typing import IO, cast

import zstandard

_CHUNK = 128 * 1024
_TAR_MAGIC = slice(257, 262)
_TAR_END = "EOFHeaderError"  # a subclass of HeaderError that the library does not export


class _ZstdStream(io.RawIOBase):
    """Decompresses zstd frames. The reader of the library takes the end of a truncated file for the end of the data."""

    def __init__(self, source: io.BufferedReader) -> None:
        self._source = source
        self._decompressor = zstandard.ZstdDecompressor()
        self._frame = self._decompressor.decompressobj()
        self._has_data = False
        self._pending = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._pending and self._fill():
            pass
        part, self._pending = self._pending[: len(buffer)], self._pending[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)

    def _fill(self) -> bool:
        """Decompress the next chunk. Return False at the end of the data."""
        if self._frame.eof:
            rest = self._frame.unused_data or self._source.read(_CHUNK)
            if not rest:
                return False
            self._frame = self._decompressor.decompressobj()
            self._pending = self._frame.decompress(rest)
            return True
        chunk = self._source.read(_CHUNK)
        if not chunk:
            raise EOFError("the end of the zstd stream is missing")
        self._pending = self._frame.decompress(chunk)
        return True


class _TarMember(tarfile.TarInfo):
    """A member of a tar file. The library takes a damaged header for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _TarMember:
        """Return the next member.

        Raises:
            tarfile.HeaderError: a block of zeros ends the archive.
            tarfile.ReadError: the archive has no such end, or a damaged header.
        """
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == _TAR_END:
                raise
            raise tarfile.ReadError(f"its end is missing, or a header in it is damaged ({error})") from error


def open_streams(stream: io.BufferedReader) -> Iterator[io.BufferedReader]:
    """Yield the stream of each file inside a compressed file or archive. A file that is neither is yielded itself.

    Raises:
        EOFError, OSError, ValueError and the errors of the libraries: see `reading`.
    """
    start = stream.peek(512)[:512]
    if start.startswith(b"\x1f\x8b"):
        yield from open_streams(_buffered(gzip.GzipFile(fileobj=stream)))
    elif start.startswith(b"\x28\xb5\x2f\xfd"):
        yield from open_streams(io.BufferedReader(_ZstdStream(stream), _CHUNK))
    elif start.startswith(b"BZh"):
        yield from open_streams(_buffered(bz2.BZ2File(stream)))
    elif start.startswith(b"PK\x03\x04"):
        yield from _zip_members(stream)
    elif start[_TAR_MAGIC] == b"ustar":
        yield from _tar_members(stream)
    else:
        yield stream


def _buffered(stream: object) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", stream), _CHUNK)


def _zip_members(stream: io.BufferedReader) -> Iterator[io.BufferedReader]:
    if not stream.seekable():
        raise zipfile.BadZipFile("a zip file inside of another compressed file; unpack the outer one")
    with zipfile.ZipFile(stream) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                with archive.open(member) as content:
                    yield from open_streams(_buffered(content))


def _tar_members(stream: io.BufferedReader) -> Iterator[io.BufferedReader]:
    with tarfile.open(fileobj=cast("IO[bytes]", stream), mode="r|", tarinfo=_TarMember) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() else None
            if content is not None:
                yield from open_streams(_buffered(content))
        _raise_if_continued(cast("IO[bytes]", archive.fileobj))


def _raise_if_continued(rest: IO[bytes]) -> None:
    """Raise an error if anything but padding follows an archive: tarfile ends at the end of the first one."""
    while chunk := rest.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise ValueError(
                "something follows the end of a tar archive. Put each archive into a file of its own"
            )

"""Mask secrets in a text, in each spelling that a source may use.

A source repeats a key unchanged, or escaped for a URL, HTML, JSON or a log, once or several times. So the text is
decoded, step by step, and after each step a plain search finds the secret. Each decoded byte knows where it comes from.

A source chooses the text, so the time must grow only linearly with its length. An earlier version used one regular
expression for all spellings. It took exponential time: 60 blanks stopped a worker. The expressions here find one
escape or one run of blanks at a time, and contain no choice that can be undone.

Not here: which values are secret (`catalog.secrets`, `catalog.plaintext_secrets`), and the bodies of responses
(`http.transport.secret_echoes`).
"""

from __future__ import annotations

import base64
import html
import re
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html.entities import html5
from urllib.parse import unquote

from harvest_dagster.texts import MASK

_MIN_BASE64 = 8  # characters; other texts contain fewer by chance
_MIN_VARIANT = 6  # characters of a decoded secret
_MIN_LINE = 8  # characters of a line of a secret that has several lines
_MIN_ANYWHERE = 6  # characters: unrelated words contain shorter ones by chance
_URL_SAFE = str.maketrans("+/", "-_")
_TAG = re.compile(r"<[^<>]*>")

# The number of times that a text is decoded. A URL in JSON in HTML has three layers of escapes.
_MAX_LAYERS = 3
# The longest spelling of one byte is about 30 bytes: %25252F, &amp;amp;#x0002F; or a name of an entity.
_MAX_SPELLING = 40
# Bytes of a text that are decoded at a time. This bounds the memory, because each decoded byte takes 8 more.
_MAX_WINDOW = 64 * 1024
_BLOCK = 4 * 1024

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_ENTITY = re.compile(rb"&(?:#([0-9]{1,12})|#[xX]([0-9A-Fa-f]{1,12})|([A-Za-z][A-Za-z0-9]{0,31}));")
_BACKSLASH = re.compile(
    rb"\\(?:u([Dd][89ABab][0-9A-Fa-f]{2})\\u([Dd][C-Fc-f][0-9A-Fa-f]{2})"
    rb"|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))",
    re.DOTALL,
)
_ESCAPE_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
# Control characters, and the plus that means a blank in a form's URL, count as blanks. Letters become lower case.
_FOLDED = bytes(
    0x20 if byte < 0x20 or byte in (0x2B, 0x7F) else byte + 32 if 0x41 <= byte <= 0x5A else byte  # noqa: PLR2004
    for byte in range(256)
)
_BLANKS = re.compile(rb" (?: |\xc2\xa0)+|\xc2\xa0(?: |\xc2\xa0)*")  # more than one blank, or a no-break space

_SECRET_NAME = re.compile(
    r"(key|token|secret|passw(or)?d|passphrase|pwd|pass|sig|signature|auth|authorization|credentials?|jwt|ticket"
    r"|cookie|session(id)?)$"
)
# The key of a thing, as in the API of GBIF (`datasetKey`), or of a database.
_PUBLIC_KEY = re.compile(
    r"(dataset|constituent|org|organi[sz]ation|publisher|network|installation|node|collection|institution|project"
    r"|taxon|usage|kingdom|phylum|class|order|family|genus|species|sort|group|facet|primary|foreign|partition)key$"
)
# A cursor is not a secret, and a message needs it to name the page that failed.
_CURSOR_NAME = re.compile(r"(resumption|page|next|continuation|cursor|scroll|sync|start)token$")


def is_secret_name(name: str) -> bool:
    """Return whether the name of a parameter marks its value as secret.

    >>> is_secret_name("api_key"), is_secret_name("resumptionToken"), is_secret_name("datasetKey")
    (True, False, False)
    """
    letters = re.sub(r"[^a-z]", "", name.lower())
    is_public = _CURSOR_NAME.search(letters) or _PUBLIC_KEY.search(letters)
    return bool(_SECRET_NAME.search(letters)) and not is_public


def build_masker(secrets: Iterable[str]) -> Callable[[str], str]:
    """Return a function that masks every secret in a text, in all its spellings.

    Call it before the text is cut: a part of a secret is not recognized. A secret of less than six letters and digits
    is masked only where it is a word of its own.
    """
    finders = [SecretFinder(secret) for secret in dict.fromkeys(secrets) if secret.strip()]
    if not finders:
        return str

    def mask(text: str) -> str:
        data, errors = _encode(text)
        ranges = _merge(found for finder in finders for found in finder.find(data))
        whole = (_whole_characters(data, *found) for found in ranges)
        return replace_ranges(data, whole, MASK.encode()).decode("utf-8", errors) if ranges else text

    return mask


def replace_ranges(data: bytes, ranges: Iterable[tuple[int, int]], mark: bytes) -> bytes:
    """Return the data with the mark in place of each range. The ranges are sorted and do not overlap.

    Return the same object if there is no range.
    """
    masked, end = bytearray(), 0
    for start, stop in ranges:
        masked += data[end:start]
        masked += mark
        end = stop
    return bytes(masked + data[end:]) if end else data


@dataclass(frozen=True)
class _Needle:
    """A text to search for.

    Attributes:
        content: The bytes.
        is_folded: Whether to search in the text with folded blanks and letters.
        is_word: Whether only a word of its own counts, not a part of a longer one.
    """

    content: bytes
    is_folded: bool
    is_word: bool


class SecretFinder:
    """Finds one secret in texts, in each spelling that a source may use.

    These are: unchanged, decoded, without tags, each of its lines, in base64, in hexadecimal, and each of them escaped
    for URLs, HTML or JSON, up to three times.

    Args:
        secret: The secret. It contains something else than white space.
    """

    def __init__(self, secret: str) -> None:
        stripped = secret.strip()
        plain = list(dict.fromkeys((secret, stripped, *_decoded_variants(secret))))
        encoded = list(dict.fromkeys((*_encoded_variants(secret), *_encoded_variants(stripped))))
        self._needles = tuple(
            dict.fromkeys(
                needle
                for text in [*plain, *encoded]
                for data in _byte_forms(text)
                if (needle := _needle(data, text)) is not None
            )
        )
        self._anchors = frozenset(anchor for text in plain for anchor in _plain_anchors(text)) | frozenset(
            _longest_word(text) for text in encoded
        )
        self._margin = _MAX_SPELLING * max(len(needle.content) for needle in self._needles) + _MAX_SPELLING

    def find(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the ranges of the secret in a text in UTF-8: start and end of each, sorted, without overlaps.

        Memory holds the ranges of one window only: a page may consist of nothing but the secret.
        """
        pending: list[tuple[int, int]] = []
        for start, end in self._windows(data):
            found = ((start + first, start + stop) for first, stop in self._find_in_window(data[start:end]))
            pending = _merge([*pending, *found])
            next_start = end - 2 * self._margin  # the next window starts there or later
            complete = [each for each in pending if each[1] <= next_start]
            yield from complete
            pending = pending[len(complete) :]
        yield from pending

    def _windows(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the parts of a text that may contain the secret: those around an anchor. Neighbors overlap."""
        first = last = -1
        for block in self._blocks(data):
            if first >= 0 and block == last + 1 and (block - first) * _BLOCK < _MAX_WINDOW:
                last = block
                continue
            if first >= 0:
                yield self._window(first, last)
            first = last = block
        if first >= 0:
            yield self._window(first, last)

    def _window(self, first: int, last: int) -> tuple[int, int]:
        return max(0, first * _BLOCK - self._margin), (last + 1) * _BLOCK + self._margin

    def _blocks(self, data: bytes) -> list[int]:
        """Return the numbers of the blocks of a text that contain an anchor, in order."""
        if b"" in self._anchors:
            return list(range(len(data) // _BLOCK + 1))
        lower, found = data.lower(), set[int]()
        for anchor in self._anchors:
            position = lower.find(anchor)
            while position >= 0:
                block = position // _BLOCK
                found.add(block)
                position = lower.find(anchor, (block + 1) * _BLOCK)
        return sorted(found)

    def _find_in_window(self, window: bytes) -> Iterator[tuple[int, int]]:
        for layer in _layers(_Layer(window, array("q", range(len(window) + 1)))):
            folded = layer.folded()
            for needle in self._needles:
                yield from (folded if needle.is_folded else layer).find(needle)


@dataclass(frozen=True)
class _Layer:
    """A text after some steps of decoding.

    Attributes:
        data: The decoded bytes.
        origins: For each byte, and for the end, the position in the text before all decoding.
    """

    data: bytes
    origins: array[int]

    def find(self, needle: _Needle) -> Iterator[tuple[int, int]]:
        """Yield the ranges, in the text before all decoding, at which the needle is found."""
        start = self.data.find(needle.content)
        while start >= 0:
            end = start + len(needle.content)
            if not (needle.is_word and _is_part_of_word(self.data, start, end)):
                yield self.origins[start], self._origin_of_end(end)
            start = self.data.find(needle.content, end)

    def decoded(
        self, escape: re.Pattern[bytes], decode: Callable[[re.Match[bytes]], bytes | None]
    ) -> _Layer | None:
        """Return the text with each escape decoded, or None if it contains none."""
        data, origins, end = bytearray(), array("q"), 0
        for match in escape.finditer(self.data):
            content = decode(match)
            if content is None:
                continue
            data += self.data[end : match.start()]
            origins += self.origins[end : match.start()]
            data += content
            origins.extend([self.origins[match.start()]] * len(content))
            end = match.end()
        if not end:
            return None
        return _Layer(bytes(data + self.data[end:]), origins + self.origins[end:])

    def folded(self) -> _Layer:
        """Return the text with letters in lower case, and with one blank in place of adjacent blanks."""
        same_length = _Layer(self.data.translate(_FOLDED), self.origins)
        return same_length.decoded(_BLANKS, lambda _: b" ") or same_length

    def _origin_of_end(self, end: int) -> int:
        """Return the origin of the first byte that comes from another escape than the byte before `end`."""
        while end < len(self.data) and self.origins[end] == self.origins[end - 1]:
            end += 1
        return self.origins[end]


def _layers(text: _Layer) -> Iterator[_Layer]:
    """Yield the text, and the texts that a reader gets who decodes it one to three times, in any order of formats."""
    known, waiting = {text.data}, [(text, 0)]
    while waiting:
        layer, depth = waiting.pop()
        yield layer
        if depth == _MAX_LAYERS:
            continue
        for escape, decode in _ESCAPES:
            decoded = layer.decoded(escape, decode)
            if decoded is not None and decoded.data not in known:
                known.add(decoded.data)
                waiting.append((decoded, depth + 1))


def _decode_percent(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)])


def _decode_entity(match: re.Match[bytes]) -> bytes | None:
    decimal, hexadecimal, name = match.groups()
    if name is not None:
        text = html5.get(f"{name.decode()};")
        return None if text is None else text.encode()
    number = int(decimal) if decimal is not None else int(hexadecimal, 16)
    return _character(number)


def _decode_backslash(match: re.Match[bytes]) -> bytes | None:
    high, low, *numbers, letter = match.groups()
    if letter is not None:
        return _ESCAPE_LETTERS.get(letter, letter)
    if high is not None:
        return (bytes.fromhex(high.decode()) + bytes.fromhex(low.decode())).decode("utf-16-be").encode()
    return _character(int(next(filter(None, numbers)), 16))


def _character(number: int) -> bytes | None:
    return chr(number).encode("utf-8", "surrogatepass") if number <= 0x10FFFF else None  # noqa: PLR2004


_ESCAPES = ((_PERCENT, _decode_percent), (_ENTITY, _decode_entity), (_BACKSLASH, _decode_backslash))


def _decoded_variants(secret: str) -> Iterator[str]:
    """Yield what remains of the secret if a reader decodes it or removes its markup, and its lines."""
    variants = (unquote(secret), html.unescape(secret), _TAG.sub("", secret), _TAG.sub(" ", secret))
    yield from (
        variant.strip() for variant in variants if variant != secret and len(variant.strip()) >= _MIN_VARIANT
    )
    lines = secret.split("\n")
    yield from (line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= _MIN_LINE)


def _encoded_variants(secret: str) -> Iterator[str]:
    """Yield the secret in hexadecimal, and its base64 within a longer text such as `user:password`.

    The base64 of the bytes next to the secret is unknown. So the characters that depend on them are left out.
    """
    data, _ = _encode(secret)
    if len(data) >= _MIN_VARIANT:
        yield data.hex()
    for offset in range(3):  # the position of the secret within a group of three bytes
        first, end = -(-8 * offset // 6), 8 * (offset + len(data)) // 6
        text = base64.b64encode(bytes(offset) + data).decode()[first:end]
        if len(text) >= _MIN_BASE64:
            yield from (text, text.translate(_URL_SAFE))


def _byte_forms(text: str) -> Iterator[bytes]:
    """Yield the text in UTF-8, in Latin-1, and as `texts.one_line` shows it."""
    yield _encode(text)[0]
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    if shown != text and shown.strip():
        yield _encode(shown)[0]
    if not text.isascii() and all(ord(letter) < 0x100 for letter in text):  # noqa: PLR2004
        yield text.encode("latin-1")


def _needle(data: bytes, text: str) -> _Needle | None:
    folded = _Layer(data, array("q", range(len(data) + 1))).folded().data
    is_folded = bool(folded.strip())  # a secret of blanks alone would be found everywhere
    is_word = len(text) < _MIN_ANYWHERE and text.isalnum()
    return _Needle(folded if is_folded else data, is_folded, is_word)


def _plain_anchors(text: str) -> Iterator[bytes]:
    """Yield texts in lower case. Each spelling of the secret contains at least one of them. b"" stands for any text.

    The letters and digits of a word are either all unchanged, or all escaped for a URL, HTML or JSON. In these forms
    the escape of the first one is followed by that of the second one.
    """
    word = _longest_word(text)
    if len(word) < 2:  # noqa: PLR2004
        yield b""
        return
    yield word
    for number in {word[0], ord(chr(word[0]).upper())}:
        escapes = (b"%02x%%", b"%d;&", b"%x;&", b"u%04x\\", b"x%02x\\")
        yield from (escape % number for escape in escapes)


def _longest_word(text: str) -> bytes:
    return max(re.findall(rb"[a-z0-9]+", _encode(text.lower())[0]), key=len, default=b"")


def _is_part_of_word(data: bytes, start: int, end: int) -> bool:
    before = data[max(0, start - 4) : start].decode("utf-8", "ignore")[-1:]
    after = data[end : end + 4].decode("utf-8", "ignore")[:1]
    return before.isalnum() or after.isalnum()


def _merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the ranges sorted, with one in place of those that overlap."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(set(ranges)):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _encode(text: str) -> tuple[bytes, str]:
    """Return the text in UTF-8, and the error handler that restores it. Bytes in the environment need another one."""
    try:
        return text.encode("utf-8", "surrogateescape"), "surrogateescape"
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass"), "surrogatepass"


def _whole_characters(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Return the range extended to whole characters of UTF-8."""
    while start and data[start] & 0xC0 == 0x80:  # noqa: PLR2004
        start -= 1
    while end < len(data) and data[end] & 0xC0 == 0x80:  # noqa: PLR2004
        end += 1
    return start, end

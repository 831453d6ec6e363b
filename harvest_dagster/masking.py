"""A secret out of a text, however those who echo it have spelled it.

A source quotes a key as it came, or escaped for a URL, HTML, JSON or a log, once or twice; what reads the answer
undoes some of that. So a secret is not looked for as a text: each of its signs may stand there in any of its
spellings. Letters and digits of ASCII, which nobody needs to escape, are taken as they are, or all in one
spelling. Not here: which values are secret (`catalog.secrets`, `catalog.written`), bodies (`http.echoes`).
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from html.entities import html5
from itertools import groupby
from urllib.parse import unquote

from harvest_dagster.texts import MASK

_TELLING = 8  # characters of base64; fewer stand in other texts by chance
_SHORTEST_VARIANT = 6  # characters of what becomes of a secret when somebody decodes it
_SHORTEST_LINE = 8  # characters of a line of a secret that has several
_URL_SAFE = str.maketrans("+/", "-_")
_TAG = re.compile(r"<[^<>]*>")

# Each may be encoded again: %252F, &amp;lt;, \\\\n. Bounded, so that no text is slow to search.
_PERCENT, _AND, _BACKSLASH = "%(?:25){0,3}", "&(?:amp;){0,3}", r"\\{1,4}"
_BLANK = rf"\s|\+|{_PERCENT}(?:20|09|0A|0D)|{_AND}(?:#0*(?:32|160|9|10|13)|nbsp);|{_BACKSLASH}[nrt]"
_LETTERS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}

_SECRET_NAME = re.compile(
    r"(key|token|secret|passw(or)?d|passphrase|pwd|pass|sig|signature|auth|authorization|credentials?|jwt|ticket"
    r"|cookie|session(id)?)$"
)
# A cursor is no secret, and without it nobody could tell which page failed.
_CURSOR_NAME = re.compile(r"(resumption|page|next|continuation|cursor|scroll|sync|start)token$")


@dataclass(frozen=True)
class Spelling:
    """One way in which a secret may stand in a text.

    Attributes:
        pattern: a regular expression, of text or of UTF-8, to be compiled with IGNORECASE.
        anchors: a text in which none of these stands has nothing that the pattern finds; empty ones stand everywhere.
    """

    pattern: str
    anchors: frozenset[str]


def is_secret_name(name: str) -> bool:
    """Whether a parameter's name says that its value is a secret: `api_key` does, `resumptionToken` not."""
    letters = re.sub(r"[^a-z]", "", name.lower())
    return bool(_SECRET_NAME.search(letters)) and not _CURSOR_NAME.search(letters)


def masker(secrets: Iterable[str]) -> Callable[[str], str]:
    """A function that masks every secret in a text, in all its `spellings`.

    To be called on a whole text: a secret that was cut off is not recognised.
    """
    found = {spelling.pattern for secret in secrets for spelling in spellings(secret)}
    if not found:
        return str
    # The longest first, so that no tail of one stays behind.
    pattern = re.compile("|".join(sorted(found, key=len, reverse=True)), re.IGNORECASE)
    return lambda text: pattern.sub(MASK, text)


def spellings(secret: str) -> list[Spelling]:
    """The secret as it is, decoded, without tags, line by line, in base64, in hex, and escaped throughout."""
    bare = secret.strip()
    if not bare:
        return []
    read = dict.fromkeys((secret, bare, *_decoded(secret)))
    coded = dict.fromkeys((*_coded(secret), *_coded(bare)))
    return [
        *(Spelling(_pattern(text), _any_case(_longest_word(text))) for text in read),
        *(Spelling(_pattern(text), frozenset({_longest_word(text)})) for text in coded),
        *_throughout(bare),
    ]


def _decoded(secret: str) -> Iterator[str]:
    """What is left of it where somebody takes it for something encoded, or for markup."""
    variants = (unquote(secret), html.unescape(secret), _TAG.sub("", secret), _TAG.sub(" ", secret))
    yield from (one.strip() for one in variants if one != secret and len(one.strip()) >= _SHORTEST_VARIANT)
    lines = secret.split("\n")
    yield from (line.strip() for line in lines if len(lines) > 1 and len(line.strip()) >= _SHORTEST_LINE)


def _coded(secret: str) -> Iterator[str]:
    """Its hexadecimal digits, and what is sure to stand in the base64 of a longer text, such as `user:password`."""
    data = secret.encode(errors="surrogateescape")
    if len(data) >= _SHORTEST_VARIANT:
        yield from (data.hex(), data.hex().upper())
    for before in range(3):  # bytes before it, but for whole groups of three
        first, end = -(-8 * before // 6), 8 * (before + len(data)) // 6
        text = base64.b64encode(bytes(before) + data).decode()[first:end]
        if len(text) >= _TELLING:
            yield from (text, text.translate(_URL_SAFE))


def _longest_word(text: str) -> str:
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")


def _pattern(text: str) -> str:
    """Every sign that is no letter and no digit in any spelling; those next to each other that may be blanks as one."""
    parts = re.findall(r"[A-Za-z0-9]+|[^A-Za-z0-9]", text)
    return "".join(
        _blanks(run) if is_blank else "".join(map(_part, run))
        for is_blank, run in groupby(parts, key=_is_blank)
    )


def _part(part: str) -> str:
    return part if part.isascii() and part.isalnum() else _sign(part)


def _blanks(run: Iterable[str]) -> str:
    """Some blanks in any number: a text that is put on one line keeps one of them."""
    return f"(?:{'|'.join([*dict.fromkeys(map(_sign, run)), _BLANK])})+"


def _is_blank(part: str) -> bool:
    """Whether it is white space or a control character, or the plus that stands for a blank in a form's URL."""
    return part == "+" or part.isspace() or not part.isprintable()


def _sign(sign: str) -> str:
    """A pattern for one sign: escaped for a URL, HTML, JSON or Python, or as it is."""
    number = ord(sign)
    entities = "|".join([*_entities().get(sign, []), f"#0*{number}", f"#x0*{number:x}"])
    escapes = [_unit(sign), f"U{number:08x}", _LETTERS.get(sign, "")]
    if number < 256:  # noqa: PLR2004 - Latin-1
        escapes.append(f"x{number:02x}")
    if sign.isascii():
        escapes.append(re.escape(sign))
    written = "|".join(filter(None, escapes))
    latin = f"|{_PERCENT}{number:02X}" if number in range(128, 256) else ""
    return f"(?:{_percent(sign)}{latin}|{_AND}(?:{entities});|{_BACKSLASH}(?:{written})|{re.escape(sign)})"


@cache
def _entities() -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, sign in html5.items():
        if name.endswith(";"):
            names.setdefault(sign, []).append(name.removesuffix(";"))
    return names


def _percent(text: str) -> str:
    return "".join(f"{_PERCENT}{byte:02X}" for byte in text.encode(errors="surrogateescape"))


def _unit(sign: str) -> str:
    """JSON's escape without its backslash, of two UTF-16 units where it needs them."""
    data = sign.encode("utf-16-be", "surrogatepass")
    return f"u{data[:2].hex()}" + (f"{_BACKSLASH}u{data[2:].hex()}" if data[2:] else "")


def _throughout(secret: str) -> Iterator[Spelling]:
    """Every sign escaped, letters and digits too: in percents, in both kinds of entities, as JSON has it."""
    first, number = secret.encode(errors="surrogateescape")[0], ord(secret[0])
    decimal = "".join(f"{_AND}#0*{ord(sign)};" for sign in secret)
    hexadecimal = "".join(f"{_AND}#x0*{ord(sign):x};" for sign in secret)
    escapes = "".join(f"{_BACKSLASH}{_unit(sign)}" for sign in secret)
    unit = secret[0].encode("utf-16-be", "surrogatepass")[:2].hex()
    yield Spelling(_percent(secret), _any_case(f"{first:02x}"))
    yield Spelling(decimal, frozenset({f"{number};"}))
    yield Spelling(hexadecimal, _any_case(f"{number:x};"))
    yield Spelling(escapes, frozenset({f"u{unit}", f"u{unit.upper()}"}))


def _any_case(text: str) -> frozenset[str]:
    return frozenset({text, text.lower(), text.upper()})

"""The limits of what one response of a source may cost: bytes, nodes, cookies and characters.

A source sets them with the key `limits` of its YAML. Not here: rate limits (`rate_limits`), and how many records may be
invalid (`quarantine` of the YAML).
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20


@dataclass(frozen=True)
class ResponseLimits:
    """The limits of a response. Each attribute is a key of `limits` in the YAML of a source.

    The defaults are far above what real pages need. The largest recorded page has 1.9 MB, 76,000 tags and attributes,
    or 186,000 JSON values.

    Attributes:
        received_bytes: Bytes of a response as it arrives, headers included.
        response_bytes: Bytes of a body after its Content-Encoding is decoded.
        file_bytes: Bytes of a file that the harvester `files` downloads, as it arrives and after its Content-Encoding
            is decoded. It is kept on the disk.
        xml_nodes: Tags and attributes of an XML page: each `<` and each `=`, those in texts included. 4,000,000
            attributes take about 1 GB.
        xml_attributes: Attributes of an element, namespace declarations included. The time to parse them may grow with
            the square of their number: 40,000 held the lock of the interpreter for 83 seconds.
        xml_page_attributes: Attributes of an XML page: each `=`, those in texts included. An attribute costs some
            microseconds in the canonical form of its record: 3,600,000 on one page took a minute on a busy machine.
        json_values: Values of a JSON page: members of objects and lists. Punctuation in texts counts, too.
        token_length: Characters of a resumptionToken, a cursor or a link to the next page. Servers refuse longer URLs.
        cookies: Cookies of a session. The oldest ones are dropped. RFC 6265, section 6.1, requires at least 50.
        cookie_bytes: Bytes of a cookie, name and value. A larger one is dropped. RFC 6265 requires at least 4,096.
        cookie_header_bytes: Bytes of all cookies of a session together, as in the header Cookie. The oldest ones are
            dropped. Servers answer a header of more than 8 KiB with 431 (Apache: LimitRequestFieldSize).
        log_line: Characters of a log line. A longer one loses its middle. A token of 3 MB wrote 27 MB of log.
    """

    received_bytes: int = 64 * MIB
    response_bytes: int = 256 * MIB
    file_bytes: int = 64 * 1024 * MIB
    xml_nodes: int = 4_000_000
    xml_attributes: int = 512
    xml_page_attributes: int = 1_000_000
    json_values: int = 4_000_000
    token_length: int = 16 * 1024
    cookies: int = 50
    cookie_bytes: int = 4096
    cookie_header_bytes: int = 7 * 1024
    log_line: int = 10_000

    def describe(self, key: str) -> str:
        """Return a limit as a clause of a message: `limits.xml_nodes is 4000000`."""
        return f"limits.{key} is {getattr(self, key)}"


def raise_limit(*keys: str) -> str:
    """Return how to raise limits, as a clause of a remedy."""
    shown = ", ".join(f"{key}: …" for key in keys)
    return f"raise `limits: {{{shown}}}` of the source"

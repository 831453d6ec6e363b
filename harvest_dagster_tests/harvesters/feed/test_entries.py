"""The identifier, the datestamp and the blob of an entry, in each kind of feed."""

from __future__ import annotations

import socket

import pytest

from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.feed.dates import parse_dates
from harvest_dagster.harvesters.feed.parser import FeedParser
from harvest_dagster.records import InvalidRecord, Record
from harvest_dagster.windows import format_instant, parse_instant
from harvest_dagster_tests.harvesters.feed.feeds import atom, entry, feed, rss, window

MARCH = window("2024-03-01", "2024-04-01")
ATOM_03 = '<feed version="0.3" xmlns="http://purl.org/atom/ns#">{}</feed>'
RSS_1 = (
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
    '<channel rdf:about="http://journal.test"><title>News</title></channel>{}</rdf:RDF>'
)
DC = 'xmlns:dc="http://purl.org/dc/elements/1.1/"'


def one(document: str) -> Record | InvalidRecord:
    """Return the only record of March."""
    # An entry of the first day, so that the feed reaches back to the beginning of March.
    (found,) = feed(document).read(window("2024-03-05", "2024-03-06"))[1]
    return found


@pytest.mark.parametrize(
    ("document", "identifier"),
    [
        (atom(entry("urn:x:1", "2024-03-05")), "urn:x:1"),
        (atom(entry(" urn:x:1\n", "2024-03-05")), "urn:x:1"),
        (atom('<entry><link href="http://x/1"/><updated>2024-03-05</updated></entry>'), "http://x/1"),
        (
            atom(
                '<entry><link rel="related" href="http://x/0"/><link rel="alternate" href="http://x/1"/>'
                "<updated>2024-03-05</updated></entry>"
            ),
            "http://x/1",
        ),
        (ATOM_03.format("<entry><id>tag:1</id><modified>2024-03-05</modified></entry>"), "tag:1"),
        (rss("<item><guid>a?b=1&amp;copy=2</guid><pubDate>2024-03-05</pubDate></item>"), "a?b=1&copy=2"),
        (rss("<item><link>http://x/1</link><pubDate>2024-03-05</pubDate></item>"), "http://x/1"),
        (
            RSS_1.format(
                '<item rdf:about="http://x/1"><link>http://x/2</link><dc:date>2024-03-05</dc:date></item>'
            ),
            "http://x/1",
        ),
        (RSS_1.format("<item><link>http://x/2</link><dc:date>2024-03-05</dc:date></item>"), "http://x/2"),
    ],
)
def test_the_identifier_is_the_one_of_the_format_or_else_the_link(document, identifier) -> None:
    """An identifier that changes between harvests would make each entry a new record."""
    assert one(document).identifier == identifier


@pytest.mark.parametrize(
    "document",
    [
        atom(entry("1", "2024-03-05T12:00:00+02:00", "<published>2020-01-01</published>")),
        atom("<entry><id>1</id><updated>soon</updated><published>2024-03-05T10:00:00Z</published></entry>"),
        ATOM_03.format("<entry><id>1</id><issued>2024-03-05T10:00:00Z</issued></entry>"),
        rss("<item><guid>1</guid><pubDate>Tue, 05 Mar 2024 10:00:00 GMT</pubDate></item>"),
        rss("<item><guid>1</guid><pubDate>Tue, 05 Mar 2024 05:00:00 EST</pubDate></item>"),
        rss("<item><guid>1</guid><pubDate>5 Mar 24 12:00:00 +0200</pubDate></item>"),
        rss(
            "<item><guid>1</guid><pubDate>Mon, 01 Jan 2024 00:00:00 GMT</pubDate>"
            "<atom:updated>2024-03-05T10:00:00Z</atom:updated></item>"
        ),
        rss("<item><guid>1</guid><dc:date>2024-03-05T10:00:00Z</dc:date></item>", namespaces=DC),
        RSS_1.format('<item rdf:about="1"><dcterms:modified>2024-03-05T10:00Z</dcterms:modified></item>'),
    ],
)
def test_the_datestamp_is_the_date_of_the_change_or_else_of_the_publication(document) -> None:
    """The window of an entry follows from its datestamp."""
    found = one(document)
    assert isinstance(found, Record)
    assert found.datestamp == parse_instant("2024-03-05T10:00:00Z")


def test_feedparser_gets_no_url_and_no_file_name(monkeypatch) -> None:
    """feedparser would send a request without our limits, or open the file, for a text that looks like a name."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    texts = ["http://127.0.0.1/1", "/etc/hostname1", "Tue, 05 Mar 2024 10:00:00 GMT", "]]></item>1", ""]
    found = [None if date is None else format_instant(date) for date in parse_dates(texts)]
    assert found == [None, None, "2024-03-05T10:00:00Z", None, None]


def test_an_entry_without_a_date_is_stored_with_each_window() -> None:
    """No other window would deliver it."""
    source = feed(atom(entry("1", "2024-03-05"), entry("2", None), entry("3", "2024-03-01")))
    assert source.identifiers(window("2024-03-05", "2024-03-06")) == ["1", "2"]
    assert source.identifiers(window("2024-03-02", "2024-03-03")) == ["2"]


def test_a_new_date_of_change_alone_changes_no_blob() -> None:
    """Many sources set it at each export."""
    first = one(atom(entry("1", "2024-03-05T01:00:00Z")))
    second = one(atom(entry("1", "2024-03-05T02:00:00Z")))
    other = one(atom(entry("1", "2024-03-05T02:00:00Z", "<title>Another title</title>")))
    assert isinstance(first, Record)
    assert isinstance(second, Record)
    assert isinstance(other, Record)
    assert first.blob == second.blob != other.blob
    assert "A title" in first.blob


def test_a_deleted_entry_is_a_deleted_record() -> None:
    """RFC 6721: without it, nobody would learn that the entry is gone."""
    found = one(atom('<at:deleted-entry ref="urn:1" when="2024-03-05T10:00:00Z"/>'))
    assert isinstance(found, Record)
    assert (found.identifier, found.deleted) == ("urn:1", True)
    assert found.datestamp == parse_instant("2024-03-05T10:00:00Z")


def test_an_entry_without_identifier_is_quarantined_and_the_others_are_stored() -> None:
    """One bad entry must not stop the feed."""
    document = rss(
        "<item><title>No name</title><pubDate>2024-03-05</pubDate></item>",
        "<item><guid>2</guid><pubDate>2024-03-05</pubDate></item>",
    )
    (page,), (first, second) = feed(document).read(window("2024-03-05", "2024-03-06"))
    assert isinstance(first, InvalidRecord)
    assert b"No name" in first.datum
    assert second.identifier == "2"
    assert (page.count, page.identifiers) == (2, ("2",))


def test_a_quarantined_entry_can_be_parsed_alone() -> None:
    """`harvest quarantine retry` needs it."""
    parser = FeedParser(FeedArguments(base_url="http://journal.test/feed"))
    invalid = parser.single_record(b"<item><title>No name</title></item>", MARCH)
    other = parser.single_record(b"<html/>", MARCH)
    cut = parser.single_record(b"<item>", MARCH)
    assert all(isinstance(found, InvalidRecord) for found in (invalid, other, cut))
    valid = parser.single_record(b"<item><guid>7</guid><pubDate>2024-03-05</pubDate></item>", MARCH)
    assert isinstance(valid, Record)
    assert (valid.identifier, valid.datestamp) == ("7", parse_instant("2024-03-05"))

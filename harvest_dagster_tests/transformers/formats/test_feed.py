"""Entries of feeds become documents: RSS 2.0, RSS 1.0, Atom, and their extensions.

Only entries of RSS 2.0 without extensions and of arXiv's Atom are recorded. The others here are written after the
examples of the specifications.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from harvest_dagster.errors import TransformError
from harvest_dagster.harvesters.feed.document import parse_feed
from harvest_dagster.harvesters.feed.entries import datestamps_of, parse_entry
from harvest_dagster.records import Record
from harvest_dagster.transformers.document import Document
from harvest_dagster.transformers.formats.feed.transformer import FIELDS, FeedTransformer
from harvest_dagster.transformers.formats.feed.values import parse_feed_date
from harvest_dagster_tests.recorded import recordings, requires_recorded
from harvest_dagster_tests.transformers.accounting import Leaf, account_for, check, count_fields
from harvest_dagster_tests.transformers.injection import lost_in_xml

RSS_1 = 'xmlns="http://purl.org/rss/1.0/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
ATOM = 'xmlns="http://www.w3.org/2005/Atom"'
EXTENSIONS = (
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" '
    'xmlns:content="http://purl.org/rss/1.0/modules/content/" xmlns:media="http://search.yahoo.com/mrss/" '
    'xmlns:itunes="http://www.itunes.com/dtds/podcast-1.0.dtd" xmlns:georss="http://www.georss.org/georss" '
    'xmlns:prism="http://prismstandard.org/namespaces/basic/2.0/" xmlns:gml="http://www.opengis.net/gml" '
    'xmlns:geo="http://www.w3.org/2003/01/geo/wgs84_pos#" xmlns:thr="http://purl.org/syndication/thread/1.0" '
    'xmlns:cc="http://backend.userland.com/creativeCommonsRssModule" xmlns:arxiv="http://arxiv.org/schemas/atom"'
)

ITEM = """
<title>A title</title><link>http://example.org/1</link><guid isPermaLink="false">doi:10.1000/ABC</guid>
<description>&lt;p&gt;A text&lt;/p&gt;</description><author>ada@example.org (Ada Lovelace)</author>
<category domain="http://example.org/c">Mathematics</category><category>Engines</category>
<pubDate>Mon, 06 Sep 2010 00:01:00 +0200</pubDate><comments>http://example.org/1/comments</comments>
<enclosure url="http://example.org/1.mp3" length="123" type="audio/mpeg"/>
<source url="http://example.net/feed">Other feed</source><content:encoded>All of it</content:encoded>
<dc:creator>Charles Babbage</dc:creator><dcterms:issued>2010</dcterms:issued>
<slash:comments xmlns:slash="http://purl.org/rss/1.0/modules/slash/">7</slash:comments>
"""
ENTRY = """
<id>tag:example.org,2003:3.2397</id><title type="html" xml:lang="de">Ein Titel</title>
<link href="http://example.org/1"/><link rel="self" href="http://example.org/1.atom"/>
<link rel="enclosure" href="http://example.org/1.mp3" type="audio/mpeg" length="1337" title="Sound"/>
<link rel="related" href="https://doi.org/10.1000/abc" title="doi"/>
<link rel="related" href="http://example.org/2" title="Next" type="text/html"/>
<link rel="license" href="http://creativecommons.org/licenses/by/4.0/"/>
<author><name>Ada Lovelace</name><uri>http://example.org/ada</uri><email>ada@example.org</email></author>
<author><name>Mary</name><arxiv:affiliation>Example U</arxiv:affiliation></author>
<contributor><name>Sam Ruby</name></contributor>
<category term="m" scheme="http://example.org/c" label="Mathematics"/><category term="n"/>
<published>2003-12-13T08:29:29-04:00</published><updated>2005-07-31T12:29:29Z</updated>
<summary>Some text.</summary>
<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>One</p><p><i>tw</i>o</p></div></content>
<rights>Copyright (c) 2003</rights>
<source><id>http://example.net/feed</id><title>Other feed</title><updated>2004-01-01</updated></source>
<thr:in-reply-to ref="tag:example.org,2003:3" href="http://example.org/0"/>
"""
EXTENDED = """
<title>Waves</title>
<media:group><media:content url="http://example.org/w.mov" fileSize="12" type="video/quicktime" duration="185">
<media:hash algo="md5">dfdec888</media:hash><media:title>The film</media:title></media:content></media:group>
<media:thumbnail url="http://example.org/w.jpg" width="75"/><media:credit role="producer">Pat</media:credit>
<media:credit role="best boy">Bob</media:credit>
<media:keywords>sea, wind</media:keywords><media:category scheme="http://example.org/c" label="Water">w</media:category>
<media:title>Waves</media:title><media:description>About waves</media:description>
<media:copyright url="http://example.org/terms">2005 FooBar</media:copyright>
<media:license href="http://creativecommons.org/licenses/by/2.5/deed.en">CC BY</media:license>
<itunes:author>Ada</itunes:author><itunes:duration>7:04</itunes:duration><itunes:explicit>no</itunes:explicit>
<itunes:subtitle>More</itunes:subtitle><itunes:summary>Long</itunes:summary>
<prism:publicationName>Nature</prism:publicationName><prism:issn>0028-0836</prism:issn>
<prism:volume>5</prism:volume><prism:number>7</prism:number><prism:startingPage>1</prism:startingPage>
<prism:endingPage>9</prism:endingPage><prism:doi>10.1000/w</prism:doi><prism:url>http://example.org/w</prism:url>
<prism:publicationDate>2010-09-01</prism:publicationDate><prism:section>Letters</prism:section>
<prism:genre>article</prism:genre><prism:versionIdentifier>vor</prism:versionIdentifier>
<georss:point>45.256 -71.92</georss:point><georss:box>42.9 -71.0 43.1 -69.8</georss:box>
<georss:where><gml:Point><gml:pos>1.5 2.5</gml:pos></gml:Point></georss:where>
<georss:featurename>Podunk</georss:featurename><geo:lat>55.7</geo:lat><geo:long>12.5</geo:long>
<cc:license>http://www.creativecommons.org/licenses/by-nc/1.0</cc:license>
"""


def document_of(datum: str) -> Document:
    return FeedTransformer(FeedTransformer.Arguments()).transform("http://example.org/1", datum)


def rss(content: str) -> dict[str, Any]:
    return document_of(f"<item {EXTENSIONS}>{content}</item>").as_dict()


def atom(content: str, attributes: str = "") -> dict[str, Any]:
    return document_of(f"<entry {ATOM} {EXTENSIONS} {attributes}>{content}</entry>").as_dict()


def url(value: str) -> dict[str, str]:
    return {"scheme": "url", "value": value}


def mail(value: str) -> dict[str, str]:
    return {"scheme": "other", "value": value, "scheme_text": "email"}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("titles", [{"text": "A title"}]),
        ("identifiers", [url("http://example.org/1"), {"scheme": "doi", "value": "10.1000/abc"}]),
        ("links", ["http://example.org/1"]),
        ("descriptions", [{"text": "<p>A text</p>"}, {"text": "All of it", "role": "content"}]),
        (
            "creators",
            [
                {"name": "Ada Lovelace", "identifiers": [mail("ada@example.org")], "role": "aut"},
                {"name": "Charles Babbage"},
            ],
        ),
        (
            "subjects",
            [{"text": "Mathematics", "vocabulary": "http://example.org/c"}, {"text": "Engines"}],
        ),
        (
            "dates",
            [
                {
                    "value": "2010-09-05T22:01:00Z",
                    "text": "Mon, 06 Sep 2010 00:01:00 +0200",
                    "role": "Issued",
                    "role_text": "pubDate",
                },
                {"value": "2010", "role": "Issued", "role_text": "issued"},
            ],
        ),
        ("issued", "2010-09-05T22:01:00Z"),
        ("files", [{"url": "http://example.org/1.mp3", "format": "audio/mpeg", "size": "123"}]),
        (
            "related",
            [
                {"relation_text": "comments", "identifiers": [url("http://example.org/1/comments")]},
                {
                    "relation_text": "source",
                    "identifiers": [url("http://example.net/feed")],
                    "title": "Other feed",
                },
            ],
        ),
        ("provenance", {"transformer": "feed", "format": "RSS 2.0"}),
        (
            "unmapped",
            [
                {"path": "item/guid/@isPermaLink", "text": "false"},
                {"path": "item/{http://purl.org/rss/1.0/modules/slash/}comments", "text": "7"},
            ],
        ),
    ],
)
def test_each_value_of_an_item_of_rss_2_is_in_its_field(field: str, expected: Any) -> None:
    found = rss(ITEM)[field]
    assert found == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("titles", [{"text": "Ein Titel", "language": "de"}]),
        (
            "identifiers",
            [
                {"scheme": "other", "value": "tag:example.org,2003:3.2397"},
                url("http://example.org/1"),
                {"scheme": "doi", "value": "10.1000/abc"},
            ],
        ),
        ("links", ["http://example.org/1", "https://doi.org/10.1000/abc"]),
        (
            "creators",
            [
                {
                    "name": "Ada Lovelace",
                    "identifiers": [url("http://example.org/ada"), mail("ada@example.org")],
                    "role": "aut",
                },
                {"name": "Mary", "role": "aut", "affiliations": [{"name": "Example U"}]},
            ],
        ),
        ("contributors", [{"name": "Sam Ruby", "role": "ctb"}]),
        (
            "subjects",
            [{"text": "Mathematics", "vocabulary": "http://example.org/c", "code": "m"}, {"text": "n"}],
        ),
        (
            "dates",
            [
                {
                    "value": "2003-12-13T12:29:29Z",
                    "text": "2003-12-13T08:29:29-04:00",
                    "role": "Issued",
                    "role_text": "published",
                },
                {"value": "2005-07-31T12:29:29Z", "role": "Updated"},
            ],
        ),
        (
            "descriptions",
            [{"text": "Some text.", "role": "Abstract"}, {"text": "One two", "role": "content"}],
        ),
        (
            "files",
            [
                {
                    "url": "http://example.org/1.mp3",
                    "name": "Sound",
                    "format": "audio/mpeg",
                    "size": "1337",
                }
            ],
        ),
        (
            "rights",
            [
                {
                    "text": "http://creativecommons.org/licenses/by/4.0/",
                    "license": "https://creativecommons.org/licenses/by/4.0/",
                },
                {"text": "Copyright (c) 2003"},
            ],
        ),
        (
            "related",
            [
                {
                    "relation_text": "related",
                    "identifiers": [url("http://example.org/2")],
                    "title": "Next",
                    "kind": "text/html",
                },
                {
                    "relation_text": "source",
                    "identifiers": [url("http://example.net/feed")],
                    "title": "Other feed",
                },
                {
                    "relation_text": "in-reply-to",
                    "identifiers": [
                        {"scheme": "other", "value": "tag:example.org,2003:3"},
                        url("http://example.org/0"),
                    ],
                },
            ],
        ),
        (
            "provenance",
            {
                "transformer": "feed",
                "format": "http://www.w3.org/2005/Atom",
                "identifiers": [url("http://example.org/1.atom")],
            },
        ),
        (
            "unmapped",
            [
                {"path": "entry/title/@type", "text": "html"},
                {"path": "entry/link[2]/@rel", "text": "self"},
                {"path": "entry/link[4]/@title", "text": "doi"},
                {"path": "entry/link[4]/@rel", "text": "related"},
                {"path": "entry/content/@type", "text": "xhtml"},
                {"path": "entry/source/updated", "text": "2004-01-01"},
            ],
        ),
    ],
)
def test_each_value_of_an_entry_of_atom_is_in_its_field(field: str, expected: Any) -> None:
    assert atom(ENTRY)[field] == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("titles", [{"text": "Waves"}, {"text": "More", "role": "subtitle"}]),
        (
            "files",
            [
                {
                    "url": "http://example.org/w.mov",
                    "name": "The film",
                    "format": "video/quicktime",
                    "size": "12",
                    "checksum": "md5:dfdec888",
                },
                {"url": "http://example.org/w.jpg", "description": "thumbnail"},
            ],
        ),
        ("creators", [{"name": "Ada", "role": "aut"}]),
        (
            "contributors",
            [
                {"name": "Pat", "role": "pro", "role_text": "producer"},
                {"name": "Bob", "role_text": "best boy"},
            ],
        ),
        (
            "subjects",
            [
                {"text": "sea"},
                {"text": "wind"},
                {"text": "Water", "vocabulary": "http://example.org/c", "code": "w"},
                {"text": "Letters"},
            ],
        ),
        ("descriptions", [{"text": "About waves", "role": "media"}, {"text": "Long", "role": "summary"}]),
        (
            "rights",
            [
                {"text": "2005 FooBar", "license": "http://example.org/terms"},
                {"text": "CC BY", "license": "https://creativecommons.org/licenses/by/2.5/"},
                {
                    "text": "http://www.creativecommons.org/licenses/by-nc/1.0",
                    "license": "https://creativecommons.org/licenses/by-nc/1.0/",
                },
            ],
        ),
        ("sizes", [{"text": "7:04"}]),
        (
            "containers",
            [
                {
                    "title": "Nature",
                    "identifiers": [{"scheme": "issn", "value": "0028-0836"}],
                    "volume": "5",
                    "issue": "7",
                    "first_page": "1",
                    "last_page": "9",
                }
            ],
        ),
        ("identifiers", [{"scheme": "doi", "value": "10.1000/w"}, url("http://example.org/w")]),
        ("dates", [{"value": "2010-09-01", "role": "Issued", "role_text": "publicationDate"}]),
        ("kind", "JournalArticle"),
        ("version", "vor"),
        (
            "places",
            [
                {"geometry": "POINT (-71.92 45.256)"},
                {"geometry": "POLYGON ((-71.0 42.9, -69.8 42.9, -69.8 43.1, -71.0 43.1, -71.0 42.9))"},
                {"geometry": "POINT (2.5 1.5)"},
                {"name": "Podunk"},
                {"geometry": "POINT (12.5 55.7)"},
            ],
        ),
        (
            "unmapped",
            [
                {
                    "path": "item/{http://search.yahoo.com/mrss/}group/content/@duration",
                    "text": "185",
                },
                {"path": "item/{http://search.yahoo.com/mrss/}thumbnail/@width", "text": "75"},
                {
                    "path": "item/{http://www.itunes.com/dtds/podcast-1.0.dtd}explicit",
                    "text": "no",
                },
            ],
        ),
    ],
)
def test_each_value_of_an_extension_is_in_its_field(field: str, expected: Any) -> None:
    assert rss(EXTENDED)[field] == expected


def test_an_item_of_rss_1_has_its_address_in_rdf_about() -> None:
    document = document_of(
        f'<item {RSS_1} {EXTENSIONS} rdf:about="http://example.org/2"><title>T</title><link>http://example.org/3</link>'
        "<description>D</description><dc:date>2000-01-01</dc:date></item>"
    )
    assert document.links == ("http://example.org/2", "http://example.org/3")
    assert document.dates[0].value == "2000-01-01"
    assert document.provenance.format == "http://purl.org/rss/1.0/"
    assert not document.unmapped


def test_an_entry_of_atom_0_3_is_read() -> None:
    document = document_of(
        '<entry xmlns="http://purl.org/atom/ns#"><title>T</title><issued>2003-12-13</issued>'
        "<created>2003</created><author><name>A</name><url>http://example.org/a</url></author></entry>"
    )
    assert [date.role for date in document.dates] == ["Issued", "Created"]
    assert document.creators[0].identifiers[0].value == "http://example.org/a"
    assert not document.unmapped


def test_the_language_of_an_entry_is_that_of_its_texts() -> None:
    document = atom('<title>T</title><summary xml:lang="de">S</summary>', 'xml:lang="en"')
    assert document["titles"] == [{"text": "T", "language": "en"}]
    assert document["descriptions"] == [{"text": "S", "language": "de", "role": "Abstract"}]
    assert atom("<id>urn:x:1</id>", 'xml:lang="en"')["unmapped"][0]["text"] == "en"


def test_the_content_of_an_entry_may_be_a_file() -> None:
    document = atom('<content src="http://example.org/a.pdf" type="application/pdf"/>')
    assert document["files"] == [{"url": "http://example.org/a.pdf", "format": "application/pdf"}]


def test_an_episode_of_a_podcast_has_a_season() -> None:
    document = rss("<itunes:season>2</itunes:season><itunes:episode>7</itunes:episode>")
    assert document["containers"] == [{"volume": "2", "number": "7"}]


@pytest.mark.parametrize("text", ["45.256", "north east", "1 2 3", ""])
def test_a_place_that_is_no_position_is_kept_as_it_is(text: str) -> None:
    document = rss(f"<title>T</title><georss:point>{text}</georss:point>")
    assert document["places"] == []
    assert [one["text"] for one in document["unmapped"]] == [text][: bool(text)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Sat, 07 Sep 2002 00:00:01 GMT", "2002-09-07T00:00:01Z"),
        ("07 Sep 02 00:00 EST", "2002-09-07T05:00:00Z"),
        ("Sat, 07 Sep 2002 00:00:01 -0000", "2002-09-07T00:00:01Z"),
        ("2002-09-07", "2002-09-07"),
        ("Sat, 07 Sep 2002 00:00:01 CET", None),
        ("Sat, 31 Feb 2002 00:00:01 GMT", None),
        ("Fri, 31 Dec 0000 00:00:00 +2400", None),
    ],
)
def test_a_date_of_a_feed_has_a_known_time_zone(text: str, value: str | None) -> None:
    assert parse_feed_date(text) == value


@pytest.mark.parametrize(("source", "fields"), FIELDS)
def test_each_row_of_the_table_of_fields_holds(source: str, fields: str) -> None:
    """The table is the documentation of the format."""
    del source
    episode = "<itunes:season>1</itunes:season>"
    filled = {
        path for one in (rss(ITEM), atom(ENTRY), rss(EXTENDED), rss(episode)) for path in count_fields(one)
    }
    assert set(fields.split(", ")) <= filled | {"provenance"}


@pytest.mark.parametrize(
    ("datum", "reason"),
    [
        (f"<feed {ATOM}/>", "a whole feed"),
        ("<rss><channel/></rss>", "a whole feed"),
        ('<x xmlns="urn:x"/>', "not an entry of a feed"),
        ('<deleted-entry xmlns="http://purl.org/atompub/tombstones/1.0" ref="x"/>', "deleted"),
        ("<item>", "not well-formed"),
        ("<item/>", "empty"),
        ("<item><unknown>1</unknown></item>", "recognizes nothing"),
    ],
)
def test_what_is_not_an_entry_is_refused_with_the_reason(datum: str, reason: str) -> None:
    with pytest.raises(TransformError, match=reason):
        document_of(datum)


@pytest.mark.parametrize(
    "datum",
    [
        f"<item {EXTENSIONS}>{ITEM}</item>",
        f"<entry {ATOM} {EXTENSIONS}>{ENTRY}</entry>",
        f"<item {EXTENSIONS}>{EXTENDED}</item>",
    ],
    ids=["RSS", "Atom", "extensions"],
)
def test_no_value_of_an_entry_can_be_lost(datum: str) -> None:
    assert not list(lost_in_xml(FeedTransformer(FeedTransformer.Arguments()), datum))


NAMES = sorted({str(one.tag) for text in (ITEM, EXTENDED) for one in etree.fromstring(f"<item {EXTENSIONS}>{text}</item>").iter()})  # fmt: skip  # noqa: E501
TEXTS = st.sampled_from(["", " ", "1 2", "x", "http://example.org", "Mon, 06 Sep 2010 00:01:00 +0200", ","])


@settings(max_examples=40)
@given(st.lists(st.tuples(st.sampled_from(NAMES), TEXTS, st.booleans()), max_size=5))
def test_any_elements_give_a_document_or_a_transform_error(parts: list[tuple[str, str, bool]]) -> None:
    item = etree.Element("item")
    parent = item
    for name, text, inside in parts:
        parent = etree.SubElement(parent if inside else item, name)
        parent.text = text
    try:
        document = document_of(etree.tostring(item, encoding="unicode"))
    except TransformError:
        return
    assert document.schema_version == 2


def recorded_entries() -> Iterator[Record]:
    """Yield the entries as the harvester stores them."""
    for recording in recordings("arxiv_atom", "scrapi_oai_and_rest"):
        if recording.file.startswith("arxiv_atom/") or recording.file.endswith("_dailyssrn.xml"):
            entries = parse_feed(recording.body, url=recording.url).entries
            for entry, date in zip(entries, datestamps_of(entries), strict=True):
                record = parse_entry(entry, date)
                assert isinstance(record, Record)
                yield record


def is_relation(leaf: Leaf) -> bool:
    """Return whether a value decides the field of a link."""
    return leaf == Leaf("/entry/link/@rel", "alternate")


@requires_recorded
def test_no_value_of_the_recorded_entries_is_lost() -> None:
    records = list(recorded_entries())
    account = account_for(FeedTransformer(FeedTransformer.Arguments()), records, is_relation)
    assert not account.failures
    check("feed", account)

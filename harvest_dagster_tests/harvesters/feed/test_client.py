"""The documents of a feed: pages, archives, totals, and how far back they reach."""

from __future__ import annotations

import itertools

import pytest

from harvest_dagster.errors import MalformedResponse, ProtocolError, SourceRefused
from harvest_dagster.harvesters.feed.arguments import FeedArguments
from harvest_dagster.harvesters.feed.harvester import FeedHarvester
from harvest_dagster.records import RecordHeader
from harvest_dagster.windows import ALL_TIME, parse_instant
from harvest_dagster_tests.harvesters.feed.feeds import URL, atom, entry, feed, feeds, link, rss, window

FIFTH = window("2024-03-05", "2024-03-06")
MARCH = window("2024-03-01", "2024-04-01")
TOTAL = "<os:totalResults>4</os:totalResults>"


def test_a_window_before_the_oldest_entry_is_out_of_reach() -> None:
    """A feed has no past: an empty list of an old day would count as harvested although it was never reachable."""
    source = feed(atom(entry("2", "2024-03-06"), entry("1", "2024-03-05T10:00:00Z")))
    with pytest.raises(
        SourceRefused, match=r"begins at 2024-03-05T10:00:00Z.*earliest_date: 2024-03-06"
    ) as caught:
        source.read(window("2024-03-01", "2024-03-05"))
    assert caught.value.code == "outOfReach"
    assert not caught.value.transient


def test_a_window_that_begins_before_the_oldest_entry_is_doubtful() -> None:
    """Its later entries are stored. Its earlier ones may have left the feed."""
    source = feed(atom(TOTAL, entry("2", "2024-03-06"), entry("1", "2024-03-05T10:00:00Z")))
    (page,), records = source.read(FIFTH)
    assert [record.identifier for record in records] == ["1"]
    assert page.may_be_cut
    assert page.total is None
    with pytest.raises(SourceRefused):
        source.read(window("2024-03-04", "2024-03-06"))


def test_a_comparison_reads_what_the_feed_has_and_proves_no_absence() -> None:
    """It finds entries that are missing or changed here. Entries that have left the feed are not gone."""
    source = feed(atom(TOTAL, entry("2", "2024-03-06"), entry("1", "2024-03-05T10:00:00Z")))
    with pytest.raises(SourceRefused):
        source.read(ALL_TIME)
    harvester = FeedHarvester(source.arguments)
    client = harvester.header_client(source.session)
    (page,) = client.pages(ALL_TIME)
    headers = list(harvester.header_parser().headers(page, ALL_TIME))
    assert headers == [
        RecordHeader("2", parse_instant("2024-03-06")),
        RecordHeader("1", parse_instant("2024-03-05T10:00:00Z")),
    ]
    assert (page.may_be_cut, page.total, client.lists_everything) == (True, None, False)
    assert not client.has_all_lists()
    assert harvester.client(source.session).has_all_lists()


def test_a_window_within_reach_has_no_doubt_and_keeps_only_its_entries() -> None:
    """Entries of other days belong to the windows of these days."""
    source = feed(atom(entry("3", "2024-03-06"), entry("2", "2024-03-05"), entry("1", "2024-03-04")))
    (page,), records = source.read(FIFTH)
    assert [record.identifier for record in records] == ["2"]
    assert (page.count, page.neighbours, page.may_be_cut, page.is_whole_list) == (3, 2, False, False)


def test_an_old_entry_that_is_pinned_at_the_top_does_not_extend_the_reach() -> None:
    """The feed would look as if it reached back to 2010."""
    source = feed(
        atom(entry("0", "2010-01-01"), entry("2", "2024-03-06"), entry("1", "2024-03-05T10:00:00Z"))
    )
    with pytest.raises(SourceRefused):
        source.read(window("2024-03-01", "2024-03-02"))


@pytest.mark.parametrize("document", [atom(), atom(entry("1", None)), rss("<item><guid>1</guid></item>")])
def test_a_feed_without_dates_reaches_back_three_days(document) -> None:
    """It shows only its present, and the schedule asks for a day after its end."""
    source = feed(document, received="2024-03-10T12:00:00Z")
    assert source.read(window("2024-03-08", "2024-03-09"))[0][0].may_be_cut is False
    assert source.read(window("2024-03-07", "2024-03-08"))[0][0].may_be_cut is True
    with pytest.raises(SourceRefused):
        source.read(window("2024-03-06", "2024-03-07"))


@pytest.mark.parametrize("container", [atom, rss])
def test_pages_are_followed_to_the_last_one(container) -> None:
    """RFC 5005, section 3. RSS documents have the same links in their own namespace."""
    prefix, item = ("", entry) if container is atom else ("atom:", _item)
    following = {None: f"{URL}?p=2", "2": "feed?p=3", "3": None}
    documents = {
        URL if number is None else f"{URL}?p={number}": container(
            item(str(number), f"2024-03-0{6 - int(number or 1)}"),
            "" if href is None else link("next", href).replace("<link", f"<{prefix}link"),
        )
        for number, href in following.items()
    }
    source = feeds(documents)
    pages, records = source.read(window("2024-03-03", "2024-03-06"))
    assert source.session.asked == [URL, f"{URL}?p=2", f"{URL}?p=3"]
    assert [record.identifier for record in records] == ["None", "2", "3"]
    # A harvest that was killed resumes from any page, and still knows how far the pages before reached.
    for page, later in itertools.pairwise(pages):
        assert feeds(documents).read(window("2024-03-03", "2024-03-06"), page.next)[0][0] == later


def _item(identifier: str, date: str) -> str:
    return f"<item><guid>{identifier}</guid><pubDate>{date}</pubDate></item>"


def archived(*, last: str = "", complete_links: bool = True) -> dict[str, str]:
    return {
        URL: atom(TOTAL, entry("4", "2024-03-06"), link("prev-archive", "/archive/2")),
        "http://journal.test/archive/2": atom(
            "<fh:archive/>",
            entry("3", "2024-03-05"),
            entry("2", "2024-03-04"),
            link("prev-archive", "/archive/1"),
        ),
        "http://journal.test/archive/1": atom("<fh:archive/>", entry("1", "2024-02-01"), last),
    }


def test_archives_reach_back_to_the_first_entry_of_the_feed() -> None:
    """RFC 5005, section 4: together, the archives are the whole feed, so earlier windows are empty."""
    source = feeds(archived())
    pages, records = source.read(window("2024-01-01", "2024-03-05"))
    assert [record.identifier for record in records] == ["2", "1"]
    assert [page.total for page in pages] == [None, None, 4]
    assert not pages[-1].may_be_cut


def test_archives_that_are_older_than_the_window_are_not_requested() -> None:
    """A feed of ten years would otherwise be read completely for each day."""
    source = feeds(archived())
    pages, records = source.read(window("2024-03-06", "2024-03-07"))
    assert [record.identifier for record in records] == ["4"]
    assert source.session.asked == [URL, "http://journal.test/archive/2"]
    # The total counts entries that were not requested.
    assert [page.total for page in pages] == [None, None]


def test_pages_are_read_to_the_end_unless_the_source_says_that_they_are_ordered() -> None:
    """Nothing in RFC 5005 orders the pages of a feed."""
    documents = {
        URL: atom(entry("3", "2024-03-06"), link("next", f"{URL}?p=2")),
        f"{URL}?p=2": atom(entry("2", "2024-03-01"), link("next", f"{URL}?p=3")),
        f"{URL}?p=3": atom(entry("1", "2024-03-06")),
    }
    asked = window("2024-03-06", "2024-03-07")
    assert feeds(documents).identifiers(asked) == ["3", "1"]
    ordered = feeds(documents, newest_first=True)
    assert ordered.identifiers(asked) == ["3"]
    assert ordered.session.asked == [URL, f"{URL}?p=2"]


def test_a_feed_that_begins_with_its_oldest_entries_is_read_to_its_end() -> None:
    """Its first document is older than the window, and 20 of 40 records were lost after it."""
    documents = {
        URL: atom("<fh:archive/>", entry("1", "2024-03-01"), link("prev-archive", f"{URL}?p=2")),
        f"{URL}?p=2": atom("<fh:archive/>", entry("2", "2024-03-02"), link("prev-archive", f"{URL}?p=3")),
        f"{URL}?p=3": atom("<fh:archive/>", entry("3", "2024-03-06")),
    }
    asked = window("2024-03-06", "2024-03-07")
    assert feeds(documents, newest_first=True).identifiers(asked) == ["3"]


def test_a_complete_feed_is_the_whole_list() -> None:
    """RFC 5005, section 2: entries that are not in it are not in the feed, so an old window is empty, not unknown."""
    source = feed(atom("<fh:complete/>", entry("1", "2024-03-05")))
    (page,), records = source.read(window("2000-01-01", "2000-01-02"))
    assert (page.is_whole_list, page.may_be_cut, records) == (True, False, [])


@pytest.mark.parametrize(("trusted", "total"), [(True, 4), (False, None)])
def test_the_total_counts_if_the_whole_feed_was_read(trusted, total) -> None:
    """A feed that lost its second page would look complete."""
    source = feed(atom(TOTAL, entry("1", "2024-03-01"), entry("2", "2024-03-06")), trust_total=trusted)
    assert source.read(FIFTH)[0][0].total == total


@pytest.mark.parametrize("text", ["", "many", "-1", "12345678901"])
def test_a_total_that_is_no_number_is_none(text) -> None:
    """It would otherwise break the harvest, or prove nothing."""
    source = feed(atom(f"<os:totalResults>{text}</os:totalResults>", entry("1", "2024-03-01")))
    assert source.read(FIFTH)[0][0].total is None


@pytest.mark.parametrize("href", ["http://other.test/feed?p=2", "file:///etc/passwd", "http://x:y/"])
def test_a_link_to_another_host_is_not_followed(href) -> None:
    """The headers may contain a key."""
    with pytest.raises(ProtocolError, match=r"not on journal\.test"):
        feed(atom(entry("1", "2024-03-05"), link("next", href))).read(FIFTH)


def test_a_link_keeps_the_scheme_the_user_and_the_key_of_base_url() -> None:
    """A proxy that terminates TLS writes http. The session masks an echoed key in the document."""
    base = "https://me:secret@journal.test/feed?key=k"
    document = atom(entry("2", "2024-03-06"), link("next", "http://journal.test/feed?key=***&p=2"))
    source = feeds(
        {base: document, "https://me:secret@journal.test/feed?key=k&p=2": atom(entry("1", "2024-03-01"))},
        base_url=base,
    )
    pages, _ = source.read(FIFTH)
    assert len(source.session.asked) == 2
    assert pages[0].next is not None
    assert "secret" not in str(pages[0].next)


def test_a_link_is_relative_to_xml_base() -> None:
    """RFC 4287, section 2."""
    document = atom(entry("2", "2024-03-06"), '<link xml:base="/old/" rel="next" href="2.xml"/>')
    source = feeds({URL: document, "http://journal.test/old/2.xml": atom(entry("1", "2024-03-01"))})
    assert source.identifiers(window("2024-03-01", "2024-03-07")) == ["2", "1"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("<OAI-PMH/>", ProtocolError),
        ("<rss version='2.0'/>", ProtocolError),
        ('<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>', ProtocolError),
        (atom(entry("1", "2024-03-05"))[:-20], MalformedResponse),
        ("<!DOCTYPE rss [<!ENTITY x 'y'>]><rss><channel/></rss>", MalformedResponse),
    ],
)
def test_what_is_not_a_feed_is_an_error(document, error) -> None:
    """It would look like an empty feed."""
    with pytest.raises(error, match=r"journal\.test"):
        feed(document).read(FIFTH)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"base_url": "ftp://x/feed"}, "http or https URL of a feed"),
        ({"base_url": "feed.xml"}, "http or https URL of a feed"),
        ({"base_url": URL, "headers": {"X": "a\nb"}}, "X"),
        ({"base_url": URL, "url": URL}, "url"),
    ],
)
def test_wrong_arguments_are_refused_when_the_catalog_is_loaded(arguments, message) -> None:
    """`harvest check` names the key, without a request."""
    with pytest.raises(ValueError, match=message):
        FeedArguments.model_validate(arguments)


def test_no_part_of_a_window_is_requested_after_an_error() -> None:
    """Each list reads the whole feed. The list of a part counted 8 records that it did not keep, and that were lost."""
    source = feed(atom())
    assert source.list_count is None
    assert source.smallest_window > MARCH.length

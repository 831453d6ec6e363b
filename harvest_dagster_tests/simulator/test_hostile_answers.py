"""Deliveries, bodies, encodings, refusals and redirects, as they arrive at a plain client."""

from __future__ import annotations

import gzip
import socket
import zlib
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from http.client import IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

import pytest
from lxml import etree

from harvest_dagster.simulator import Fail, Repository, Server, every
from harvest_dagster.simulator.behaviours import RateLimit
from harvest_dagster.simulator.conditions import chance, from_nth, nth, page, path, with_token
from harvest_dagster.simulator.registry import REGISTRY
from harvest_dagster_tests.simulator.raw import Got, address, get, walk

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)


def answer(name: str, *, timeout: float = 30, protocol: str = "oai", **settings: object) -> Got:
    """What the first page of a list becomes."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        return get(address(server, protocol), timeout=timeout)


@pytest.fixture(scope="module")
def whole() -> bytes:
    moment = datetime(2025, 1, 1, tzinfo=timezone.utc)
    with Server(REPOSITORY, clock=lambda: moment) as server:
        return get(address(server, "oai")).body


def test_a_cut_in_a_character_leaves_its_first_byte() -> None:
    """Lesson 1: a lenient decoder hides the cut."""
    body = answer("cut-in-character").body
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        body.decode()


def test_a_cut_after_the_last_record_keeps_all_records() -> None:
    """Lesson 1: all five are there, the token is not."""
    body = answer("cut-after-record").body
    assert body.endswith(b"</record>")
    assert body.count(b"<record>") == 5
    assert b"resumptionToken" not in body


def test_a_reset_arrives_as_one() -> None:
    """A FIN instead would be a short body, which other code meets."""
    assert isinstance(answer("reset").error, ConnectionResetError)


def test_a_refused_connection_gives_no_answer() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["refuse"]()]) as server:
        got = get(address(server, "oai"))
    assert isinstance(got.error, RemoteDisconnected)
    (request,) = server.requests
    assert (request.status, request.sent) == (None, 0)


@pytest.mark.parametrize("name", ["stall", "silence"])
def test_silence_lasts_until_the_client_goes(name) -> None:
    """Lesson 21; and the server ends all the same, with no thread left behind."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name]()]) as server:
        place = urlsplit(server.url)
        connection = socket.create_connection((place.hostname, place.port))
        connection.sendall(b"GET /oai?verb=Identify HTTP/1.1\r\nHost: it\r\n\r\n")
        head = connection.recv(4) if name == "stall" else b""
    assert head == (b"HTTP" if name == "stall" else b"")
    connection.close()


def test_a_drip_comes_in_pieces_and_is_whole() -> None:
    """Each piece in time for a read timeout: only a deadline for the whole answer helps."""
    assert etree.fromstring(answer("drip", piece=3000, pause=0.0).body) is not None


def test_a_drip_ends_when_the_client_has_enough() -> None:
    """Else a server of a test would outlive it by hours."""
    with Server(REPOSITORY, behaviours=[REGISTRY["drip"](piece=1, pause=1000.0)]) as server:
        got = get(address(server, "oai"), timeout=0.1)
    assert isinstance(got.error, TimeoutError)


def test_html_is_what_it_claims_to_be() -> None:
    login, wall = answer("html-login"), answer("html-bot-wall")
    assert (login.status, wall.status) == (200, 403)
    assert b'type="password"' in login.body
    assert b"Just a moment" in wall.body
    assert login.header("Content-Type").startswith("text/html")


def test_the_answer_to_another_verb() -> None:
    assert b"<Identify>" in answer("wrong-verb").body


def test_another_repository_has_other_records() -> None:
    body = answer("other-repository").body
    assert body.count(b"oai:other.example.org:") == 5
    assert b"repository.example.org" not in body


@pytest.mark.parametrize(
    ("name", "decode"),
    [
        ("gzip", gzip.decompress),
        ("gzip-as-plain", gzip.decompress),
        ("plain-as-gzip", bytes),
        ("deflate", zlib.decompress),
        ("deflate-raw", lambda body: zlib.decompress(body, wbits=-zlib.MAX_WBITS)),
        ("charset-bom", lambda body: body.decode("utf-8-sig").encode()),
        ("charset-utf-16", bytes),
        ("charset-latin-1", bytes),
    ],
)
def test_what_is_mislabelled_is_whole_under_its_true_name(name, decode) -> None:
    """Else a harvester would rightly refuse it for another reason."""
    assert len(etree.fromstring(decode(answer(name).body)).findall(".//{*}record")) == 5


def test_headers_say_what_the_body_is_not() -> None:
    codings = {name: answer(name).header("Content-Encoding") for name in ("plain-as-gzip", "gzip-as-plain")}
    assert codings == {"plain-as-gzip": "gzip", "gzip-as-plain": None}


def test_gzip_that_breaks_off() -> None:
    with pytest.raises(EOFError):
        gzip.decompress(answer("gzip-cut").body)


def test_a_bomb_is_small_until_it_is_unpacked() -> None:
    """Lesson 27: 400 megabytes by default, in less than half a one."""
    body = answer("gzip-bomb", megabytes=20).body
    assert len(body) < 200_000
    assert len(gzip.decompress(body)) > 20 * 2**20


@pytest.mark.parametrize("name", ["doctype", "charset-bom", "prefixed"])
def test_a_harmless_oddity_still_parses(name) -> None:
    assert len(etree.fromstring(answer(name).body).findall("{*}ListRecords/{*}record/{*}metadata")) == 5


def test_the_entity_bomb_is_one() -> None:
    """libxml2 itself refuses to expand it."""
    with pytest.raises(etree.XMLSyntaxError, match=r"(?i)amplification|entity|loop"):
        etree.fromstring(answer("entity-bomb").body)


def test_a_wrong_clock_is_wrong_everywhere() -> None:
    got = answer("clock-ahead", seconds=7200)
    said = etree.fromstring(got.body).findtext("{*}responseDate")
    ahead = datetime.now(timezone.utc) + timedelta(hours=1)
    assert datetime.fromisoformat(said.replace("Z", "+00:00")) > ahead
    assert parsedate_to_datetime(got.header("Date")) > ahead
    assert [name for name, _ in got.headers].count("Date") == 1


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("seconds", "7"),
        ("zero", "0"),
        ("absent", None),
        ("absurd", "1000000000"),
        ("negative", "-5"),
        ("garbage", "soon"),
    ],
)
def test_retry_after_in_its_forms(form, text) -> None:
    """Lesson 20."""
    settings = {"seconds": 7} if form == "seconds" else {}
    got = answer(f"busy-{form}", status=429, **settings)
    assert (got.status, got.header("Retry-After")) == (429, text)


def test_retry_after_as_a_date_is_not_too_early() -> None:
    before = datetime.now(timezone.utc)
    got = answer("busy-date", seconds=90)
    assert parsedate_to_datetime(got.header("Retry-After")) >= before + timedelta(seconds=90)


def test_errors_of_oai_under_another_status() -> None:
    """Zenodo: 422 with a valid document; other answers keep their 200."""
    with Server(REPOSITORY, behaviours=[REGISTRY["errors-422"](), REGISTRY["empty-404"]()]) as server:
        statuses = [get(f"{server.url}?verb={verb}").status for verb in ("Identify", "None")]
        empty = get(address(server, "oai", until="1990-01-01"))
    assert statuses == [200, 422]
    assert b"noRecordsMatch" in empty.body


def test_a_rate_limit_counts_arrivals_refuses_and_bans() -> None:
    """Refused requests count, too: who hammers never gets in."""
    limit = RateLimit(calls=2, period=3600, ban=2, announce="RateLimit")
    with Server(REPOSITORY, behaviours=[limit]) as server:
        answers = [get(f"{server.url}?verb=Identify") for _ in range(5)]
    assert [got.status for got in answers] == [200, 200, 429, 403, 403]
    assert [got.header("RateLimit-Remaining") for got in answers[:3]] == ["1", "0", "0"]
    assert answers[2].header("Retry-After") == "3600"
    assert limit.refused == (3, 4, 5)


def test_crossrefs_headers() -> None:
    got = answer("rate-headers", announce="X-Rate-Limit", calls=50)
    assert (got.header("X-Rate-Limit-Limit"), got.header("X-Rate-Limit-Interval")) == ("50", "1s")


@pytest.mark.parametrize("to", ["same-host", "relative", "other-host"])
@pytest.mark.parametrize("protocol", ["oai", "json"])
def test_a_redirect_leads_to_the_same_list(to, protocol) -> None:
    """Also where it acts on one request only: `/moved` is always there."""
    with Server(REPOSITORY, behaviours=[REGISTRY[f"redirect-{to}"](when=nth(1))]) as server:
        got = get(address(server, protocol))
        location = got.header("Location")
        target = location if "://" in location else f"{server.root}{location}"
        moved = get(target.replace("localhost", "127.0.0.1"))
    assert got.status == 302
    assert ("localhost" in location) == (to == "other-host")
    assert moved.numbers == [0, 1, 2, 3, 4]


def test_redirects_to_where_nobody_should_follow() -> None:
    locations = {to: answer(f"redirect-{to}").header("Location") for to in ("file", "ftp", "nowhere")}
    assert locations == {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/list.xml", "nowhere": None}


def test_a_token_needs_its_cookie() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["cookie"]()]) as server:
        first = get(address(server, "oai"))
        without = get(address(server, "oai", first.token))
        cookie = first.header("Set-Cookie").partition(";")[0]
        brought = get(address(server, "oai", first.token), Cookie=cookie)
    assert (without.status, brought.status) == (403, 200)


def test_a_body_shorter_than_announced_is_incomplete() -> None:
    assert isinstance(answer("cut").error, IncompleteRead)


@pytest.mark.parametrize(
    ("when", "hit"),
    [
        (every, [1, 2, 3, 4]),
        (from_nth(3), [3, 4]),
        (with_token & ~nth(2), [3, 4]),
        (nth(1) | nth(4), [1, 4]),
        (page(2, None), [2, 3, 4]),
        (path("/api/*"), []),
        (chance(1.0), [1, 2, 3, 4]),
        (chance(0.0), []),
    ],
)
def test_conditions_combine(when, hit) -> None:
    with Server(REPOSITORY) as server:
        list(walk(server, "oai"))
    assert [request.number for request in server.requests if when(request)] == hit


def test_chance_is_the_same_each_time() -> None:
    """A scenario that failed must fail again."""
    with Server(REPOSITORY) as server:
        for _ in range(40):
            get(f"{server.url}?verb=Identify")
    first, again, other = (
        [request.number for request in server.requests if chance(0.3, seed)(request)] for seed in (1, 1, 2)
    )
    assert first == again != other
    assert 3 <= len(first) <= 24


def test_a_page_is_a_place_and_not_a_count() -> None:
    """A harvester that begins anew meets it again."""
    with Server(REPOSITORY, behaviours=[Fail(500, when=page(2))]) as server:
        tokens = [get(address(server, "oai")).token for _ in range(2)]
        assert [get(address(server, "oai", token)).status for token in tokens] == [500, 500]
        assert get(address(server, "json")).status == 200

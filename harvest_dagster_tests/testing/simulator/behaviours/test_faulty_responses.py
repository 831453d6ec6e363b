"""Faults of deliveries, bodies, encodings and statuses, and redirects, as a raw client receives them."""

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

from harvest_dagster.testing.simulator import HttpErrorStatus, Repository, Server, every_request
from harvest_dagster.testing.simulator.behaviours import RateLimit
from harvest_dagster.testing.simulator.behaviours.conditions import (
    chance,
    from_nth,
    has_token,
    nth,
    on_page,
    path_matches,
)
from harvest_dagster.testing.simulator.behaviours.registry import REGISTRY
from harvest_dagster_tests.testing.simulator.raw_client import RawResponse, get, list_pages, list_url

REPOSITORY = Repository(days=1, records_per_day=20, page_size=5, deleted=0)


def first_page(name: str, *, timeout: float = 30, protocol: str = "oai", **settings: object) -> RawResponse:
    """Return the first page of a list to which a behaviour is applied."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name](**settings)]) as server:
        return get(list_url(server, protocol), timeout=timeout)


def test_a_cut_inside_a_character_keeps_its_first_byte() -> None:
    """A lenient decoder hides the truncation (docs/failures.md#truncated-page)."""
    body = first_page("cut-in-character").body
    with pytest.raises(UnicodeDecodeError, match="unexpected end of data"):
        body.decode()


def test_a_cut_after_the_last_record_keeps_all_records() -> None:
    """All five records are present, but the token is missing (docs/failures.md#truncated-page)."""
    body = first_page("cut-after-record").body
    assert body.endswith(b"</record>")
    assert body.count(b"<record>") == 5
    assert b"resumptionToken" not in body


def test_a_reset_is_a_tcp_reset() -> None:
    """A FIN would give a short body, which a harvester handles elsewhere."""
    assert isinstance(first_page("reset").error, ConnectionResetError)


def test_a_refused_connection_gives_no_response() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["refuse"]()]) as server:
        response = get(list_url(server, "oai"))
    assert isinstance(response.error, RemoteDisconnected)
    (request,) = server.requests
    assert (request.status, request.bytes_sent) == (None, 0)


@pytest.mark.parametrize("name", ["stall", "silence"])
def test_silence_lasts_until_the_client_disconnects(name) -> None:
    """A client needs a timeout (docs/failures.md#no-timeout). The server can stop meanwhile and leaves no thread."""
    with Server(REPOSITORY, behaviours=[REGISTRY[name]()]) as server:
        parts = urlsplit(server.url)
        connection = socket.create_connection((parts.hostname, parts.port))
        connection.sendall(b"GET /oai?verb=Identify HTTP/1.1\r\nHost: test\r\n\r\n")
        head = connection.recv(4) if name == "stall" else b""
    assert head == (b"HTTP" if name == "stall" else b"")
    connection.close()


def test_a_dripped_body_is_complete() -> None:
    """Each part arrives within a read timeout, so only a deadline for the whole response helps."""
    assert etree.fromstring(first_page("drip", piece=3000, pause=0.0).body) is not None


def test_a_drip_ends_when_the_client_disconnects() -> None:
    """Otherwise the server would run for hours after its test."""
    with Server(REPOSITORY, behaviours=[REGISTRY["drip"](piece=1, pause=1000.0)]) as server:
        response = get(list_url(server, "oai"), timeout=0.1)
    assert isinstance(response.error, TimeoutError)


def test_html_pages_have_the_signs_of_their_kind() -> None:
    login, challenge = first_page("html-login"), first_page("html-bot-wall")
    assert (login.status, challenge.status) == (200, 403)
    assert b'type="password"' in login.body
    assert b"Just a moment" in challenge.body
    assert login.header("Content-Type").startswith("text/html")


def test_the_response_can_belong_to_another_verb() -> None:
    assert b"<Identify>" in first_page("wrong-verb").body


def test_another_repository_has_other_records() -> None:
    body = first_page("other-repository").body
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
def test_a_mislabelled_body_is_complete_in_its_true_encoding(name, decode) -> None:
    """Otherwise a harvester would refuse the body for another reason."""
    assert len(etree.fromstring(decode(first_page(name).body)).findall(".//{*}record")) == 5


def test_content_encoding_contradicts_the_body() -> None:
    codings = {
        name: first_page(name).header("Content-Encoding") for name in ("plain-as-gzip", "gzip-as-plain")
    }
    assert codings == {"plain-as-gzip": "gzip", "gzip-as-plain": None}


def test_a_truncated_gzip_body_cannot_be_decompressed() -> None:
    with pytest.raises(EOFError):
        gzip.decompress(first_page("gzip-cut").body)


def test_a_gzip_bomb_is_small_before_decompression() -> None:
    """By default, 400 megabytes are compressed to less than half a megabyte (docs/failures.md#memory-grows)."""
    body = first_page("gzip-bomb", megabytes=20).body
    assert len(body) < 200_000
    assert len(gzip.decompress(body)) > 20 * 2**20


@pytest.mark.parametrize("name", ["doctype", "charset-bom", "prefixed"])
def test_an_unusual_but_valid_document_can_be_parsed(name) -> None:
    assert len(etree.fromstring(first_page(name).body).findall("{*}ListRecords/{*}record/{*}metadata")) == 5


def test_the_entity_bomb_is_recognized_by_libxml2() -> None:
    """libxml2 refuses to expand it."""
    with pytest.raises(etree.XMLSyntaxError, match=r"(?i)amplification|entity|loop"):
        etree.fromstring(first_page("entity-bomb").body)


def test_a_wrong_clock_affects_response_date_and_date_header() -> None:
    response = first_page("clock-ahead", seconds=7200)
    response_date = etree.fromstring(response.body).findtext("{*}responseDate")
    ahead = datetime.now(timezone.utc) + timedelta(hours=1)
    assert datetime.fromisoformat(response_date.replace("Z", "+00:00")) > ahead
    assert parsedate_to_datetime(response.header("Date")) > ahead
    assert [name for name, _ in response.headers].count("Date") == 1


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
def test_retry_after_has_the_form_of_the_behaviour(form, text) -> None:
    """Harvesters have failed on each of them (docs/failures.md#retry-after)."""
    settings = {"seconds": 7} if form == "seconds" else {}
    response = first_page(f"busy-{form}", status=429, **settings)
    assert (response.status, response.header("Retry-After")) == (429, text)


def test_a_retry_after_date_is_not_too_early() -> None:
    before = datetime.now(timezone.utc)
    response = first_page("busy-date", seconds=90)
    assert parsedate_to_datetime(response.header("Retry-After")) >= before + timedelta(seconds=90)


def test_oai_pmh_errors_can_have_another_status() -> None:
    """Zenodo sends 422 with a valid document. Other responses keep their status 200."""
    with Server(REPOSITORY, behaviours=[REGISTRY["errors-422"](), REGISTRY["empty-404"]()]) as server:
        statuses = [get(f"{server.url}?verb={verb}").status for verb in ("Identify", "None")]
        empty = get(list_url(server, "oai", until="1990-01-01"))
    assert statuses == [200, 422]
    assert b"noRecordsMatch" in empty.body


def test_a_rate_limit_refuses_requests_and_bans() -> None:
    """Refused requests count too, so a client that repeats requests too fast is never served."""
    limit = RateLimit(calls=2, period=3600, ban=2, announce="RateLimit")
    with Server(REPOSITORY, behaviours=[limit]) as server:
        responses = [get(f"{server.url}?verb=Identify") for _ in range(5)]
    assert [response.status for response in responses] == [200, 200, 429, 403, 403]
    assert [response.header("RateLimit-Remaining") for response in responses[:3]] == ["1", "0", "0"]
    assert responses[2].header("Retry-After") == "3600"
    assert limit.refused == (3, 4, 5)


def test_rate_limit_headers_can_have_the_form_of_crossref() -> None:
    response = first_page("rate-headers", announce="X-Rate-Limit", calls=50)
    assert (response.header("X-Rate-Limit-Limit"), response.header("X-Rate-Limit-Interval")) == ("50", "1s")


@pytest.mark.parametrize("to", ["same-host", "relative", "other-host"])
@pytest.mark.parametrize("protocol", ["oai", "json"])
def test_a_redirect_leads_to_the_same_list(to, protocol) -> None:
    """The target works even if the behaviour applies to one request only, because `/moved` always exists."""
    with Server(REPOSITORY, behaviours=[REGISTRY[f"redirect-{to}"](when=nth(1))]) as server:
        response = get(list_url(server, protocol))
        location = response.header("Location")
        target = location if "://" in location else f"{server.root}{location}"
        moved = get(target.replace("localhost", "127.0.0.1"))
    assert response.status == 302
    assert ("localhost" in location) == (to == "other-host")
    assert moved.numbers == [0, 1, 2, 3, 4]


def test_a_redirect_can_drop_the_query() -> None:
    """The response is then another list. See docs/failures.md#redirect-drops-query."""
    assert "?" not in str(first_page("redirect-no-query").header("Location"))


def test_redirects_can_lead_to_files_to_ftp_or_nowhere() -> None:
    locations = {to: first_page(f"redirect-{to}").header("Location") for to in ("file", "ftp", "nowhere")}
    assert locations == {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.1/list.xml", "nowhere": None}


def test_a_token_needs_its_cookie() -> None:
    with Server(REPOSITORY, behaviours=[REGISTRY["cookie"]()]) as server:
        first = get(list_url(server, "oai"))
        without_cookie = get(list_url(server, "oai", first.token))
        cookie = first.header("Set-Cookie").partition(";")[0]
        with_cookie = get(list_url(server, "oai", first.token), Cookie=cookie)
    assert (without_cookie.status, with_cookie.status) == (403, 200)


def test_a_body_shorter_than_announced_is_incomplete() -> None:
    assert isinstance(first_page("cut").error, IncompleteRead)


@pytest.mark.parametrize(
    ("condition", "selected"),
    [
        (every_request, [1, 2, 3, 4]),
        (from_nth(3), [3, 4]),
        (has_token & ~nth(2), [3, 4]),
        (nth(1) | nth(4), [1, 4]),
        (on_page(2, None), [2, 3, 4]),
        (path_matches("/api/*"), []),
        (chance(1.0), [1, 2, 3, 4]),
        (chance(0.0), []),
    ],
)
def test_combined_conditions_select_these_requests(condition, selected) -> None:
    with Server(REPOSITORY) as server:
        list(list_pages(server, "oai"))
    assert [request.number for request in server.requests if condition(request)] == selected


def test_the_same_seed_selects_the_same_requests() -> None:
    """A scenario that failed must fail again when it is repeated."""
    with Server(REPOSITORY) as server:
        for _ in range(40):
            get(f"{server.url}?verb=Identify")
    first, repeated, other_seed = (
        [request.number for request in server.requests if chance(0.3, seed)(request)] for seed in (1, 1, 2)
    )
    assert first == repeated != other_seed
    assert 3 <= len(first) <= 24


def test_a_page_condition_selects_repeated_requests() -> None:
    """A harvester that starts the list again gets the same fault."""
    with Server(REPOSITORY, behaviours=[HttpErrorStatus(500, when=on_page(2))]) as server:
        tokens = [get(list_url(server, "oai")).token for _ in range(2)]
        assert [get(list_url(server, "oai", token)).status for token in tokens] == [500, 500]
        assert get(list_url(server, "json")).status == 200

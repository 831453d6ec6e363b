"""The server: its log, its connections, and the effect of behaviours on its responses."""

from __future__ import annotations

import http.client
import threading
from datetime import datetime, timezone
from urllib.parse import urlsplit

import pytest

from harvest_dagster.testing.simulator import (
    Behaviour,
    HtmlPage,
    HttpErrorStatus,
    Repository,
    Request,
    RequestGate,
    Server,
    TruncatedBody,
    nth,
)
from harvest_dagster_tests.testing.simulator.oai_client import LIST, identifiers, request

IDENTIFY = {"verb": "Identify"}


def test_the_log_contains_every_request_in_order_with_its_status() -> None:
    """Crash tests count repeated requests, and tests of request budgets use the times of arrival."""
    started = datetime.now(timezone.utc)
    with Server(Repository(days=1, records_per_day=25, page_size=10)) as server:
        request(server, IDENTIFY)
        identifiers(server)
        request(server, [("verb", "a b"), ("verb", "&")], method="POST")
    log = server.requests
    assert [(request.number, request.method, request.verb) for request in log] == [
        (1, "GET", "Identify"),
        (2, "GET", "ListRecords"),
        (3, "GET", "ListRecords"),
        (4, "GET", "ListRecords"),
        (5, "POST", "&"),
    ]
    assert [request.verb_number for request in log] == [1, 1, 2, 3, 1]
    assert log[1].parameters == LIST
    assert log[2].token is not None
    assert log[4].arguments == (("verb", "a b"), ("verb", "&"))
    assert {(request.path, request.status) for request in log} == {("/oai", 200)}
    moments = [started, *(request.arrived for request in log), datetime.now(timezone.utc)]
    assert moments == sorted(moments)


def test_get_and_post_give_the_same_response() -> None:
    """A repository must support both (section 3.1.1)."""
    with Server(clock=lambda: datetime(2025, 1, 1, tzinfo=timezone.utc)) as server:
        assert request(server, LIST).body == request(server, LIST, method="POST").body


def test_a_connection_serves_several_requests() -> None:
    """Harvesters keep connections open. Without this, a benchmark would measure handshakes."""
    with Server() as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.connect()
        socket = connection.sock
        for _ in range(3):
            connection.request("GET", f"{parts.path}?verb=Identify")
            assert connection.getresponse().read()
            assert connection.sock is socket
        connection.close()


def test_a_server_stops_while_a_client_keeps_its_connection_open() -> None:
    """Neither a thread nor a socket may remain."""
    with Server() as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", f"{parts.path}?verb=Identify")
        connection.getresponse().read()
    assert [thread for thread in threading.enumerate() if "simulator" in thread.name] == []
    assert connection.sock.recv(1) == b""
    connection.close()


def test_an_unknown_path_gives_404() -> None:
    with Server() as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        connection.request("GET", "/elsewhere")
        assert connection.getresponse().status == 404
        connection.close()
    assert [request.status for request in server.requests] == [404]


def test_the_url_of_a_stopped_server_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="with"):
        _ = Server().url


def test_a_behaviour_applies_only_to_the_selected_request() -> None:
    """A test that corrupts the second page relies on a correct first and third page."""
    with Server(behaviours=[HtmlPage(when=nth(2, "ListRecords"))]) as server:
        responses = [request(server, arguments) for arguments in (LIST, IDENTIFY, LIST, LIST)]
    assert [response.body.startswith(b"<?xml") for response in responses] == [True, True, False, True]
    assert responses[2].status == 200


def test_an_error_status_is_sent_with_its_headers() -> None:
    with Server(behaviours=[HttpErrorStatus(503, {"Retry-After": "7"}, when=nth(1))]) as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", parts.path)
        response = connection.getresponse()
        assert (response.status, response.headers["Retry-After"], response.read()) == (503, "7", b"")
        connection.close()
        assert request(server, IDENTIFY).status == 200
    assert [request.status for request in server.requests] == [503, 200]


def test_a_truncated_body_is_shorter_than_content_length() -> None:
    """The client can compute the missing bytes from Content-Length."""
    with (
        Server(behaviours=[TruncatedBody(100)]) as server,
        pytest.raises(http.client.IncompleteRead) as caught,
    ):
        request(server, IDENTIFY)
    assert len(caught.value.partial) == 100


def test_an_unannounced_truncation_is_valid_http() -> None:
    """Only the XML shows that the page is truncated (docs/failures.md#truncated-page)."""
    with Server(behaviours=[TruncatedBody(100, announced=False)]) as server:
        assert len(request(server, IDENTIFY).body) == 100


def test_a_gate_blocks_a_request_until_it_is_released() -> None:
    """A test can kill a harvester at a known point: the request is logged, its response is not sent."""
    gate = RequestGate(when=nth(1))
    statuses: list[int] = []
    with Server(behaviours=[gate]) as server:
        client = threading.Thread(target=lambda: statuses.append(request(server, IDENTIFY).status))
        client.start()
        gate.wait_until_reached(timeout=30)
        assert [request.status for request in server.requests] == [None]
        assert statuses == []
        gate.release()
        client.join()
    assert statuses == [200]


def test_a_server_that_stops_releases_blocked_requests() -> None:
    """Otherwise a failing test would hang."""
    gate = RequestGate()
    with Server(behaviours=[gate]) as server:
        parts = urlsplit(server.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=30)
        connection.request("GET", f"{parts.path}?verb=Identify")
        gate.wait_until_reached(timeout=30)
    connection.close()


def test_a_gate_that_no_request_reaches_raises_a_timeout() -> None:
    with pytest.raises(TimeoutError, match="no request"):
        RequestGate().wait_until_reached(timeout=0)


def test_a_custom_behaviour_can_be_used() -> None:
    """Tests define behaviours of their own. The first behaviour in the list is the outermost."""

    class AppendText(Behaviour):
        def __init__(self, text: bytes) -> None:
            self.text = text
            self.when = lambda request: request.verb == "Identify"

        def apply(self, request: Request, handler):
            response = handler(request)
            return type(response)(response.body + self.text)

    with Server(behaviours=[AppendText(b"outer"), AppendText(b"inner")]) as server:
        assert request(server, IDENTIFY).body.endswith(b"innerouter")

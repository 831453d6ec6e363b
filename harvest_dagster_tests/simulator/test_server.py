"""The server: its log, its connections, and what behaviours do to its answers."""

from __future__ import annotations

import http.client
import threading
from datetime import datetime, timezone
from urllib.parse import urlsplit

import pytest

from harvest_dagster.simulator import Behaviour, Cut, Fail, Hold, Html, Repository, Request, Server, nth
from harvest_dagster_tests.simulator.client import LIST, ask, identifiers

IDENTIFY = {"verb": "Identify"}


def test_the_log_has_every_request_in_order_with_its_status() -> None:
    """Crash tests count what was asked twice, and budgets are proven by the times of arrival."""
    began = datetime.now(timezone.utc)
    with Server(Repository(days=1, records_per_day=25, page_size=10)) as server:
        ask(server, IDENTIFY)
        identifiers(server)
        ask(server, [("verb", "a b"), ("verb", "&")], method="POST")
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
    moments = [began, *(request.arrived for request in log), datetime.now(timezone.utc)]
    assert moments == sorted(moments)


def test_get_and_post_give_the_same() -> None:
    """Section 3.1.1: a repository supports both."""
    with Server(clock=lambda: datetime(2025, 1, 1, tzinfo=timezone.utc)) as server:
        assert ask(server, LIST).body == ask(server, LIST, method="POST").body


def test_a_connection_serves_many_requests() -> None:
    """Harvesters keep connections; a benchmark would else measure handshakes."""
    with Server() as server:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.connect()
        socket = connection.sock
        for _ in range(3):
            connection.request("GET", f"{place.path}?verb=Identify")
            assert connection.getresponse().read()
            assert connection.sock is socket
        connection.close()


def test_a_server_ends_although_a_client_keeps_its_connection() -> None:
    """And leaves neither thread nor socket behind."""
    with Server() as server:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", f"{place.path}?verb=Identify")
        connection.getresponse().read()
    assert [thread for thread in threading.enumerate() if "simulator" in thread.name] == []
    assert connection.sock.recv(1) == b""
    connection.close()


def test_another_path_is_not_found() -> None:
    with Server() as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
        connection.request("GET", "/elsewhere")
        assert connection.getresponse().status == 404
        connection.close()
    assert [request.status for request in server.requests] == [404]


def test_a_server_that_does_not_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="with"):
        _ = Server().url


def test_a_behaviour_meets_only_the_request_it_is_meant_for() -> None:
    """A test that breaks the second page must know that the first and the third were whole."""
    with Server(behaviours=[Html(when=nth(2, "ListRecords"))]) as server:
        answers = [ask(server, arguments) for arguments in (LIST, IDENTIFY, LIST, LIST)]
    assert [answer.body.startswith(b"<?xml") for answer in answers] == [True, True, False, True]
    assert answers[2].status == 200


def test_fail_answers_with_its_status_and_headers() -> None:
    with Server(behaviours=[Fail(503, {"Retry-After": "7"}, when=nth(1))]) as server:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", place.path)
        response = connection.getresponse()
        assert (response.status, response.headers["Retry-After"], response.read()) == (503, "7", b"")
        connection.close()
        assert ask(server, IDENTIFY).status == 200
    assert [request.status for request in server.requests] == [503, 200]


def test_cut_breaks_off_in_the_middle_of_the_body() -> None:
    """Content-Length tells the client what is missing."""
    with Server(behaviours=[Cut(100)]) as server, pytest.raises(http.client.IncompleteRead) as caught:
        ask(server, IDENTIFY)
    assert len(caught.value.partial) == 100


def test_a_cut_that_is_not_announced_looks_whole() -> None:
    """Lesson 1: only the XML tells."""
    with Server(behaviours=[Cut(100, announced=False)]) as server:
        assert len(ask(server, IDENTIFY).body) == 100


def test_hold_keeps_a_request_until_it_is_released() -> None:
    """A test kills a harvester at a known place: the request is in the log, its answer is not out."""
    gate = Hold(when=nth(1))
    answers: list[int] = []
    with Server(behaviours=[gate]) as server:
        client = threading.Thread(target=lambda: answers.append(ask(server, IDENTIFY).status))
        client.start()
        gate.wait_until_reached(timeout=30)
        assert [request.status for request in server.requests] == [None]
        assert answers == []
        gate.release()
        client.join()
    assert answers == [200]


def test_a_server_that_ends_releases_what_it_holds() -> None:
    """Else a failing test would hang instead of failing."""
    gate = Hold()
    with Server(behaviours=[gate]) as server:
        place = urlsplit(server.url)
        connection = http.client.HTTPConnection(place.netloc, timeout=30)
        connection.request("GET", f"{place.path}?verb=Identify")
        gate.wait_until_reached(timeout=30)
    connection.close()


def test_hold_says_when_nothing_comes() -> None:
    with pytest.raises(TimeoutError, match="no request"):
        Hold().wait_until_reached(timeout=0)


def test_behaviours_of_others_join_the_chain() -> None:
    """The seam for hostile sources: the first in the list is the outermost."""

    class Sign(Behaviour):
        def __init__(self, mark: bytes) -> None:
            self.mark = mark
            self.when = lambda request: request.verb == "Identify"

        def apply(self, request: Request, answer):
            response = answer(request)
            return type(response)(response.body + self.mark)

    with Server(behaviours=[Sign(b"outer"), Sign(b"inner")]) as server:
        assert ask(server, IDENTIFY).body.endswith(b"innerouter")

"""A redirect does not lead from a public address into our own network."""

from __future__ import annotations

import traceback
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from harvest_dagster.errors import SourceUnreachable
from harvest_dagster.http.transport import watched_adapter
from harvest_dagster.http.transport.addresses import RedirectGuard, Scope, parse_address, scope_of
from harvest_dagster_tests.http.server import response


def redirect_to(location: str) -> bytes:
    return response(b"moved", 302, Location=location)


@pytest.fixture
def public_sources(monkeypatch):
    """All servers of the tests have loopback addresses. Here the first server of a chain has a public one."""
    monkeypatch.setattr(watched_adapter, "scope_of", lambda _: Scope.PUBLIC)


def test_a_public_source_cannot_make_the_harvester_ask_an_internal_service(
    serve, open_session, public_sources
):
    """The metadata service of a cloud answers every request of the machine with credentials."""
    internal = serve(response(b"internal secret"))
    server = serve(redirect_to(internal.url))
    with pytest.raises(SourceUnreachable, match="less public than that of the source") as caught:
        open_session().get(server.url)
    assert internal.requests == []
    assert "internal secret" not in "".join(traceback.format_exception(caught.value))
    assert not caught.value.transient
    assert len(server.requests) == 1


def test_the_address_decides_about_a_redirect_and_not_the_name(serve, open_session, public_sources):
    """The owner of a name decides to which address it resolves."""
    internal = serve(response())
    server = serve(redirect_to(internal.url.replace("127.0.0.1", "localhost")))
    with pytest.raises(SourceUnreachable, match="redirect_networks"):
        open_session().get(server.url)
    assert internal.requests == []


def test_a_connection_that_is_still_open_is_checked_as_well(serve, open_session, monkeypatch):
    """An earlier request may have opened a connection to the internal service."""
    internal = serve(response())
    session = open_session()
    session.get(internal.url)
    monkeypatch.setattr(watched_adapter, "scope_of", lambda _: Scope.PUBLIC)
    with pytest.raises(SourceUnreachable, match="redirect_networks"):
        session.get(serve(redirect_to(internal.url)).url)
    assert len(internal.requests) == 1


def test_a_redirect_to_a_named_network_is_followed(serve, open_session, public_sources):
    """A public address of an institution may redirect to its internal repository."""
    internal = serve(response(b"<there/>"))
    server = serve(redirect_to(internal.url))
    session = open_session(redirect_networks=[ip_network("127.0.0.0/8")])
    assert session.get(server.url).body == b"<there/>"


def test_a_source_on_this_machine_redirects_to_this_machine(serve, open_session):
    """The demo and a repository on the same machine have loopback addresses."""
    other = serve(response(b"<there/>"))
    assert open_session().get(serve(redirect_to(other.url)).url).body == b"<there/>"


def test_a_proxy_is_not_asked_for_an_internal_address(serve, open_session, monkeypatch):
    """Behind a proxy, our socket is connected to the proxy. So the address in the URL counts."""
    proxy = serve(redirect_to("http://169.254.169.254/latest/"), response(b"internal secret"))
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.port}")
    with pytest.raises(SourceUnreachable, match="redirect_networks"):
        open_session().get("http://source.example/oai")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("address", "scope"),
    [
        ("8.8.8.8", Scope.PUBLIC),
        ("2606:4700::1111", Scope.PUBLIC),
        ("10.1.2.3", Scope.PRIVATE),
        ("172.16.0.1", Scope.PRIVATE),
        ("192.168.1.1", Scope.PRIVATE),
        ("100.64.0.1", Scope.PRIVATE),
        ("fd00::1", Scope.PRIVATE),
        ("224.0.0.1", Scope.PRIVATE),
        ("169.254.169.254", Scope.LINK_LOCAL),
        ("fe80::1%eth0", Scope.LINK_LOCAL),
        ("127.0.0.2", Scope.LOOPBACK),
        ("0.0.0.0", Scope.LOOPBACK),  # noqa: S104 - nothing listens here
        ("::1", Scope.LOOPBACK),
        ("::ffff:127.0.0.1", Scope.LOOPBACK),
        ("64:ff9b::a00:1", Scope.PRIVATE),
        ("[::1]", Scope.LOOPBACK),
    ],
)
def test_each_address_has_the_scope_from_which_it_can_be_reached(address, scope):
    """An IPv6 address may contain an IPv4 address of our network."""
    assert scope_of(parse_address(address)) == scope


def test_a_private_source_cannot_redirect_to_a_loopback_address():
    """Only programs on this machine may call a service that listens on loopback."""
    guard = RedirectGuard(source=Scope.PRIVATE)
    assert guard.allows(parse_address("192.168.7.7"))
    assert not guard.allows(parse_address("127.0.0.1"))


@pytest.mark.parametrize(
    ("first", "then", "is_allowed"),
    [
        ("93.184.215.14", "93.184.215.15", True),
        ("93.184.215.14", "10.0.0.1", False),
        ("93.184.215.14", "127.0.0.1", False),
        ("10.0.0.1", "10.0.0.2", True),
        ("10.0.0.1", "127.0.0.1", False),
        ("127.0.0.1", "93.184.215.14", True),
    ],
)
def test_a_host_does_not_move_to_a_less_public_address(first: str, then: str, is_allowed: bool) -> None:
    """The owner of a name changes its address between two requests, and reads our internal services."""
    guard = RedirectGuard().with_host("x.test:443", scope_of(ip_address(first)))
    address = ip_address(then)
    scope = scope_of(address)
    assert guard.allows_host("x.test:443", "x.test", address, scope) == is_allowed
    moved = guard.with_host("x.test:443", Scope.LOOPBACK)
    assert moved.hosts == guard.hosts
    assert guard.allows_host("other.test:443", "other.test", address, scope)
    named = replace(guard, networks=[ip_network(f"{then}/32")])
    assert named.allows_host("x.test:443", "x.test", address, scope)


def test_a_name_never_leads_to_the_metadata_service_of_a_cloud() -> None:
    """The owner of a source's name could read the credentials of our machine with the first request."""
    address = ip_address("169.254.169.254")
    assert not RedirectGuard().allows_host("x.test:80", "x.test", address, Scope.LINK_LOCAL)
    assert RedirectGuard().allows_host("169.254.169.254:80", "169.254.169.254", address, Scope.LINK_LOCAL)
    assert RedirectGuard([ip_network("169.254.0.0/16")]).allows_host(
        "x.test:80", "x.test", address, Scope.LINK_LOCAL
    )

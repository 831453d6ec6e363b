"""Decide by its address whether a request may go to a host.

A source chooses where a redirect leads. If it could lead into our own network, the source could make the harvester
call internal services, such as the metadata service of a cloud at 169.254.169.254. A name proves nothing, because its
owner decides to which address it resolves, and may change that between two requests (DNS rebinding). So the address
counts to which the socket is connected.

Pure. `http.transport.watched_adapter` asks for the address, before it sends anything.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052, section 2.1: the last 32 bits are the IPv4 address


class Scope(IntEnum):
    """From where an address can be reached. The larger, the closer to this machine."""

    PUBLIC = 0
    PRIVATE = 1
    LINK_LOCAL = 2
    LOOPBACK = 3


@dataclass(frozen=True)
class RedirectGuard:
    """Allows only addresses that are at least as public as the source itself was at its first request.

    Attributes:
        networks: Networks to which any request may go.
        source: The scope of the source: of the address of the first request. None as long as it is unknown.
        hosts: The scope of each host that a config names, at the first request to it.
    """

    networks: Sequence[Network] = ()
    source: Scope | None = None
    hosts: Mapping[str, Scope] = field(default_factory=dict)

    def allows(self, address: Address) -> bool:
        """Return whether a redirect may lead to the address. An unknown source counts as public."""
        return self._is_named(address) or scope_of(address) <= (self.source or Scope.PUBLIC)

    def allows_host(self, host: str, name: str, address: Address, scope: Scope) -> bool:
        """Return whether a request to a host that the config names may go to this address.

        A host must not move to a less public address while a session lasts. A name must not lead to a link-local
        address: there are only services of this machine and of its cloud.

        Args:
            host: Key of the host, with its port.
            name: The name or the address in the URL.
            address: The address to which the socket is connected.
            scope: The scope of the address.
        """
        known = self.hosts.get(host)
        is_moved = known is not None and scope > known
        is_hidden = scope is Scope.LINK_LOCAL and parse_address(name) is None
        return self._is_named(address) or not (is_moved or is_hidden)

    def with_host(self, host: str, scope: Scope) -> RedirectGuard:
        """Return the guard with the scope of a host that the config names."""
        return replace(self, source=scope, hosts={host: scope, **self.hosts})

    def _is_named(self, address: Address) -> bool:
        return any(address.version == network.version and address in network for network in self.networks)


def parse_address(text: str) -> Address | None:
    """Return the address of a peer or of a host in a URL, None if it is a name. An embedded IPv4 address counts."""
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(address.packed[-4:])
        return address.ipv4_mapped or address.sixtofour or address
    return address


def scope_of(address: Address) -> Scope:
    """Return from where an address can be reached.

    >>> scope_of(ipaddress.ip_address("10.0.0.1"))
    <Scope.PRIVATE: 1>
    """
    if address.is_loopback or address.is_unspecified:
        return Scope.LOOPBACK
    if address.is_link_local:
        return Scope.LINK_LOCAL
    return Scope.PUBLIC if address.is_global and not address.is_multicast else Scope.PRIVATE

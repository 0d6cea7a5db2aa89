"""Names looked up for public addresses alone, so that a URL can't lead into our own network.

aiohttp connects to what its resolver returns and asks nobody again, so the address that was checked
is the address that is connected to. Python's documentation of `ipaddress` says which are global.
"""

import socket
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052: an IPv4 address is in the last 32 bits."""
_UNICAST = IPv6Network("2000::/3")
"""IANA's "IPv6 Global Unicast Address Assignments": all that are given out are in here. `ipaddress`
calls others global too: the site-local ones, and those that a network translates to IPv4 itself."""


class PublicAddresses(AbstractResolver):
    """A resolver of aiohttp's that leaves out every address which is not public.

    Args:
        trusted: hosts whose addresses are not checked: an operator has named them.
        resolver: looks names up; None: aiohttp's own.
    """

    def __init__(
        self, trusted: Collection[str] = (), resolver: AbstractResolver | None = None
    ) -> None:
        self._trusted = trusted
        self._resolver = resolver or DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a host's addresses.

        Raises:
            OSError: if it has none that is public.
        """
        found = await self._resolver.resolve(host, port, family)
        if host in self._trusted:
            return found
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise OSError("the host has no public address")
        return public

    async def close(self) -> None:
        """Release what looks names up."""
        await self._resolver.close()


def is_public(address: str) -> bool:
    """Whether an IP address is one of the Internet's; an IPv4 one inside an IPv6 one counts."""
    found = _embedded(ip_address(address))
    is_routed = found in _UNICAST if isinstance(found, IPv6Address) else not found.is_multicast
    return found.is_global and is_routed


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address

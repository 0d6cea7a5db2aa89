"""Which addresses count as the Internet's, and what becomes of a name that leads elsewhere."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from dingda.worker.services.public_addresses import PublicAddresses, is_public


class Names(AbstractResolver):
    """A fake of the look-up: every name has these addresses."""

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            {
                "hostname": host,
                "host": each,
                "port": port,
                "family": family,
                "proto": 0,
                "flags": 0,
            }
            for each in self._addresses
        ]

    async def close(self) -> None:
        """Nothing to release."""


@pytest.mark.parametrize("address", ["203.0.114.7", "8.8.8.8", "2606:4700::1", "64:ff9b::808:808"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.5",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.100.100.200",
        "fec0::1",
        "::10.0.0.5",
        "::ffff:0:10.0.0.5",
        "64:ff9b:1::a00:5",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff0e::1",
        "::ffff:10.0.0.5",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::a00:5",
        "64:ff9b::7f00:1",
    ],
)
def test_an_address_of_a_network_of_our_own_is_not(address: str) -> None:
    assert not is_public(address)


async def test_only_the_public_addresses_of_a_name_are_connected_to() -> None:
    names = PublicAddresses(resolver=Names("10.0.0.5", "8.8.8.8"))
    assert [each["host"] for each in await names.resolve("oss.example", 443)] == ["8.8.8.8"]


async def test_a_name_that_leads_into_our_own_network_is_not_found() -> None:
    names = PublicAddresses(resolver=Names("100.100.100.200", "169.254.169.254"))
    with pytest.raises(OSError, match="no public address"):
        await names.resolve("metadata.aliyuncs.com", 80)


async def test_a_host_that_an_operator_has_named_may_be_anywhere() -> None:
    names = PublicAddresses({"files.corp.example"}, resolver=Names("10.0.0.5"))
    assert [each["host"] for each in await names.resolve("files.corp.example")] == ["10.0.0.5"]

"""The worker's way out to DingTalk and to backends: straight, or through a company's proxy."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

import httpx

Create = Callable[[httpx.Proxy | None], httpx.AsyncBaseTransport]


class Transports(TypedDict, total=False):
    """What an `httpx.AsyncClient` is given of it."""

    transport: httpx.AsyncBaseTransport
    mounts: dict[str, httpx.AsyncBaseTransport | None]


@dataclass(frozen=True, slots=True)
class WayOut:
    """How hosts are reached.

    Args:
        proxy_url: an HTTP proxy for all of them, perhaps with a user and a password; "" for none.
        near: hosts that are reached without it, each with its subdomains.
    """

    proxy_url: str = field(default="", repr=False)
    near: tuple[str, ...] = ()

    def transports(self, create: Create) -> Transports:
        """Make the transports of a client, each by `create`, which is given the proxy to use."""
        straight = create(None)
        if not self.proxy_url:
            return {"transport": straight}
        return {
            "transport": create(httpx.Proxy(self.proxy_url)),
            "mounts": {f"all://*{host}": straight for host in self.near},
        }


STRAIGHT = WayOut()

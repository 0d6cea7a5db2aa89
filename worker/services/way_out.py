"""The worker's way out to DingTalk and to backends: straight, or through a company's proxy."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypedDict

import httpx

from dingda import __version__

USER_AGENT = f"dingda/{__version__}"
_CONNECT_GAP_S = 0.001

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


class Pace:
    """Opens connections a moment apart, since many at once overflow a small server's queue.

    Linux then drops the last packet of a handshake: we believe in a connection that the server
    never hears of, or only seconds later. A reply that was claimed for it would end as unknown.
    """

    def __init__(self) -> None:
        self._next_s = 0.0

    async def wait(self, *_: object) -> None:
        """Wait until the next connection may be opened; the arguments are a trace callback's."""
        now_s = asyncio.get_running_loop().time()
        turn_s = max(now_s, self._next_s)
        self._next_s = turn_s + _CONNECT_GAP_S
        if turn_s > now_s:
            await asyncio.sleep(turn_s - now_s)
